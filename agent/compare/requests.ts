import { limits } from '../../core/limits.ts';
import type { Piece } from '../disk/pieces.ts';
import type { Span } from '../scan/job.ts';
import type { Side } from './side.ts';
import { type Suspects, suspectsIn } from './suspects.ts';

/** Suspect chunks, and what must be read of each side to know; a buffer full of each at the most. */
export interface CompareRequest {
  readonly suspects: readonly Suspects[];
  readonly spans: readonly [one: readonly Span[], other: readonly Span[]];
  /** Guest bytes up to which all is in this request or the ones before. */
  readonly end: number;
}

export interface Compared {
  readonly sides: readonly [one: Side, other: Side];
  /** How much of both is compared, from the start. */
  readonly virtualBytes: number;
  readonly chunkBytes: number;
}

/** What to read of two disks to tell them apart, ascending. Where both read the same stored bytes, or zeros, nothing is read. */
export async function* compareRequests(compared: Compared, bufferBytes: number): AsyncGenerator<CompareRequest> {
  const { sides, virtualBytes, chunkBytes } = compared;
  const capacity = Math.floor(bufferBytes / chunkBytes);
  for (let offset = 0; offset < virtualBytes; offset += limits.compare_window_bytes) {
    const length = Math.min(limits.compare_window_bytes, virtualBytes - offset);
    const [one, other] = await Promise.all(sides.map((side) => side.pieces(offset, length)));
    const pieces = [one!, other!] as const;
    const cuts = pieces.map((list) => new Cutter(list)) as [Cutter, Cutter];
    let open = { suspects: [] as Suspects[], spans: [[], []] as [Span[], Span[]] };
    let room = capacity;
    for (const run of suspectsIn({ sides, pieces, offset, length, chunkBytes })) {
      for (let chunk = run.chunk; chunk < run.chunk + run.count; ) {
        const count = Math.min(room, run.chunk + run.count - chunk);
        const from = chunk * chunkBytes;
        const to = Math.min(virtualBytes, from + count * chunkBytes);
        open.suspects.push({ ...run, chunk, count });
        run.held.forEach((held, side) => {
          if (held)
            open.spans[side]!.push({
              chunk,
              count,
              offset: from,
              length: to - from,
              pieces: cuts[side]!.cut(from, to),
            });
        });
        chunk += count;
        room -= count;
        if (room > 0) continue;
        yield { ...open, end: to };
        open = { suspects: [], spans: [[], []] };
        room = capacity;
      }
    }
    yield { ...open, end: offset + length };
  }
}

/** Takes from an ascending list the pieces of ranges that ascend, too. */
class Cutter {
  readonly #pieces: readonly Piece[];
  #next = 0;

  constructor(pieces: readonly Piece[]) {
    this.#pieces = pieces;
  }

  cut(from: number, to: number): Piece[] {
    const { length } = this.#pieces;
    while (this.#next < length && endOf(this.#pieces[this.#next]!) <= from) this.#next++;
    let end = this.#next;
    while (end < length && this.#pieces[end]!.at < to) end++;
    return this.#pieces.slice(this.#next, end);
  }
}

function endOf({ at, length }: Piece): number {
  return at + length;
}
