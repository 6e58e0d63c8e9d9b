import { limits } from '../../../core/limits.ts';
import type { DiskWriter } from '../../disk/writer.ts';

/** Chunks of a layer: one byte each, 1 if it is among them, by number of segment. */
export type ChunkSet = ReadonlyMap<number, Uint8Array>;

/** A writer that remembers which chunks were written since somebody asked: what has to be read back. */
export class TouchedWriter implements DiskWriter {
  readonly #writer: DiskWriter;
  readonly #chunkBytes: number;
  #touched = new Map<number, Uint8Array>();
  #bytes = 0;

  constructor(writer: DiskWriter, chunkBytes: number) {
    this.#writer = writer;
    this.#chunkBytes = chunkBytes;
  }

  /** Bytes written since the last `take`, what was written twice counted twice. */
  get bytes(): number {
    return this.#bytes;
  }

  /** True if something was written since the last `take`. */
  get isTouched(): boolean {
    return this.#touched.size > 0;
  }

  /** The chunks that were written since the last call. */
  take(): ChunkSet {
    const taken = this.#touched;
    this.#touched = new Map();
    this.#bytes = 0;
    return taken;
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    this.#touch(offset, bytes.length);
    this.#bytes += bytes.length;
    await this.#writer.write(offset, bytes);
  }

  /** Zeros cost next to nothing to read back: they do not count as bytes. */
  async writeZeros(offset: number, length: number): Promise<void> {
    this.#touch(offset, length);
    await this.#writer.writeZeros(offset, length);
  }

  checkpoint(): Promise<void> {
    return this.#writer.checkpoint();
  }

  finish(): Promise<void> {
    return this.#writer.finish();
  }

  discard(): Promise<void> {
    return this.#writer.discard();
  }

  #touch(offset: number, length: number): void {
    const end = Math.ceil((offset + length) / this.#chunkBytes);
    for (let chunk = Math.floor(offset / this.#chunkBytes); chunk < end; ) {
      const segment = Math.floor(chunk / limits.segment_chunks);
      const first = segment * limits.segment_chunks;
      const to = Math.min(end, first + limits.segment_chunks);
      const chunks = this.#touched.get(segment) ?? new Uint8Array(limits.segment_chunks);
      this.#touched.set(segment, chunks);
      chunks.fill(1, chunk - first, to - first);
      chunk = to;
    }
  }
}
