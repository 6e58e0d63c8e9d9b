import { limits } from '../../../core/limits.ts';

/** Chunks of a layer, one bit each, by number of segment: few take little memory, and the most that there can be 32 MiB. */
export class ChunkBits {
  readonly #segments = new Map<number, Uint8Array>();
  #count = 0;

  /** How many chunks are in it. */
  get count(): number {
    return this.#count;
  }

  has(chunk: number): boolean {
    const at = chunk % limits.segment_chunks;
    const bits = this.#segments.get(Math.floor(chunk / limits.segment_chunks));
    return bits !== undefined && (bits[at >>> 3]! & (1 << (at & 7))) !== 0;
  }

  add(chunk: number, count: number): void {
    for (let each = chunk; each < chunk + count; each++) if (!this.has(each)) this.#flip(each, 1);
  }

  remove(chunk: number, count: number): void {
    for (let each = chunk; each < chunk + count; each++) if (this.has(each)) this.#flip(each, -1);
  }

  /** The numbers of the segments that it has chunks of, ascending. */
  segments(): number[] {
    return [...this.#segments.keys()].sort((a, b) => a - b);
  }

  /** Moves the chunks of a segment to `other`; gives them, ascending. */
  moveTo(other: ChunkBits, segment: number): number[] {
    const first = segment * limits.segment_chunks;
    const moved: number[] = [];
    if (!this.#segments.has(segment)) return moved;
    for (let chunk = first; chunk < first + limits.segment_chunks; chunk++) if (this.has(chunk)) moved.push(chunk);
    for (const chunk of moved) other.add(chunk, 1);
    this.#segments.delete(segment);
    this.#count -= moved.length;
    return moved;
  }

  clear(): void {
    this.#segments.clear();
    this.#count = 0;
  }

  #flip(chunk: number, by: 1 | -1): void {
    const segment = Math.floor(chunk / limits.segment_chunks);
    const at = chunk % limits.segment_chunks;
    const bits = this.#segments.get(segment) ?? new Uint8Array(Math.ceil(limits.segment_chunks / 8));
    bits[at >>> 3]! ^= 1 << (at & 7);
    this.#segments.set(segment, bits);
    this.#count += by;
  }
}
