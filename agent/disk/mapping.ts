import type { ChunkState, Extent } from '../../core/extent.ts';
import type { Piece } from './pieces.ts';

/** What one image file itself says of a guest range: where its bytes are, or that it holds none. */
export type Mapping = Piece | { at: number; length: number; kind: 'absent' };

/** Adds `next` to an ascending list; grows the last item instead if both are one run in the host file. */
export function append<T extends Mapping>(list: T[], next: T): void {
  const last = list[list.length - 1];
  if (last !== undefined && continues(last, next)) last.length += next.length;
  else list.push(next);
}

function continues(last: Mapping, next: Mapping): boolean {
  if (last.kind !== next.kind || last.kind === 'compressed' || last.at + last.length !== next.at) return false;
  if (last.kind !== 'file' || next.kind !== 'file') return true;
  return last.fd === next.fd && last.offset + last.length === next.offset;
}

/** Mappings as extents, neighbours of one state merged. */
export async function* extentsOf(batches: AsyncIterable<readonly Mapping[]>): AsyncGenerator<Extent> {
  let open: { offset: number; length: number; state: ChunkState } | undefined;
  for await (const batch of batches) {
    for (const { kind, at, length } of batch) {
      const state = kind === 'absent' || kind === 'zero' ? kind : 'data';
      if (open?.state === state) {
        open.length += length;
      } else {
        if (open !== undefined) yield open;
        open = { offset: at, length, state };
      }
    }
  }
  if (open !== undefined) yield open;
}
