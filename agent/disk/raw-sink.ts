import type { HostFile } from './host-file.ts';
import { diskLimits } from './limits.ts';
import type { Sink } from './sink.ts';

const ZEROS = Buffer.alloc(diskLimits.zero_fill_bytes);

/**
 * A new raw file. What was never written is a hole and reads as zeros, so zeros are stored only in blocks that were
 * written before; one byte a block remembers which, in a map of bounded size.
 */
export class RawSink implements Sink {
  /** What file systems allocate; zeros within less than this are stored. */
  readonly clusterBytes = 4096;
  readonly virtualBytes: number;
  readonly #file: HostFile;
  readonly #blockBytes: number;
  readonly #touched: Uint8Array;

  constructor(file: HostFile, virtualBytes: number) {
    this.#file = file;
    this.virtualBytes = virtualBytes;
    this.#blockBytes = Math.max(ZEROS.length, Math.ceil(virtualBytes / diskLimits.raw_touched_blocks_max));
    this.#touched = new Uint8Array(Math.ceil(virtualBytes / this.#blockBytes));
  }

  async write(at: number, bytes: Uint8Array): Promise<void> {
    await this.#file.write(bytes, at);
    const last = Math.floor((at + bytes.length - 1) / this.#blockBytes);
    this.#touched.fill(1, Math.floor(at / this.#blockBytes), last + 1);
  }

  async writeZeros(at: number, length: number): Promise<void> {
    const end = at + length;
    for (let from = at; from < end; ) {
      const block = Math.floor(from / this.#blockBytes);
      const to = Math.min(end, (block + 1) * this.#blockBytes);
      if (this.#touched[block] === 1) {
        for (let i = from; i < to; i += ZEROS.length) await this.#file.write(ZEROS.subarray(0, to - i), i);
      }
      from = to;
    }
  }

  async checkpoint(): Promise<void> {
    await this.#file.truncate(this.virtualBytes);
    await this.#file.sync();
  }
}
