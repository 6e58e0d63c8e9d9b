import { diskLimits } from './limits.ts';
import type { Sink } from './sink.ts';

const ZEROS = Buffer.alloc(diskLimits.zero_fill_bytes);

/**
 * Gathers writes that follow each other, so that the sink gets long runs and whole clusters: what comes in sectors
 * or chunks smaller than a cluster needs no copy-on-write unless something is missing in the end. At most one run is
 * open, of data (in a bounded buffer) or of zeros. Where both meet within a cluster, the zeros become data.
 */
export class WriteBehind {
  readonly #sink: Sink;
  readonly #buffer: Buffer;
  #kind: 'data' | 'zero' = 'data';
  #start = 0;
  #length = 0;

  constructor(sink: Sink) {
    this.#sink = sink;
    this.#buffer = Buffer.allocUnsafe(Math.max(diskLimits.write_behind_bytes, 2 * sink.clusterBytes));
  }

  async write(at: number, bytes: Uint8Array): Promise<void> {
    if (this.#kind === 'zero') await this.#turnToData(at);
    if (at !== this.#end) await this.flush();
    for (let done = 0; done < bytes.length; ) {
      if (this.#length === 0) {
        const whole = this.#wholeClusters(at + done, bytes.length - done);
        if (whole >= this.#buffer.length) {
          await this.#sink.write(at + done, bytes.subarray(done, done + whole));
          done += whole;
          continue;
        }
        this.#start = at + done;
      }
      const part = bytes.subarray(done, done + this.#buffer.length - this.#length);
      this.#buffer.set(part, this.#length);
      this.#length += part.length;
      done += part.length;
      if (this.#length === this.#buffer.length) await this.#spill();
    }
  }

  async writeZeros(at: number, length: number): Promise<void> {
    let from = at;
    const end = at + length;
    if (this.#kind === 'data' && this.#length > 0 && at === this.#end) {
      const fill = Math.min(end, at + missing(at, this.#sink.clusterBytes));
      await this.#writeZeroBytes(from, fill);
      from = fill;
    }
    if (from === end) return;
    if (this.#kind === 'data' || from !== this.#end) {
      await this.flush();
      this.#kind = 'zero';
      this.#start = from;
    }
    this.#length += end - from;
  }

  async checkpoint(): Promise<void> {
    await this.flush();
    await this.#sink.checkpoint();
  }

  /** Hands the open run to the sink, parts of clusters too. */
  async flush(): Promise<void> {
    const [kind, start, length] = [this.#kind, this.#start, this.#length];
    this.#kind = 'data';
    this.#length = 0;
    if (length === 0) return;
    if (kind === 'zero') await this.#sink.writeZeros(start, length);
    else await this.#sink.write(start, this.#buffer.subarray(0, length));
  }

  get #end(): number {
    return this.#start + this.#length;
  }

  /** Ends a run of zeros; if data follows right behind, within a cluster, that cluster's zeros begin the data. */
  async #turnToData(at: number): Promise<void> {
    const end = this.#end;
    const kept = at === end ? Math.min(this.#length, at % this.#sink.clusterBytes) : 0;
    this.#length -= kept;
    await this.flush();
    await this.#writeZeroBytes(end - kept, end);
  }

  async #writeZeroBytes(from: number, to: number): Promise<void> {
    for (let at = from; at < to; at += ZEROS.length) await this.write(at, ZEROS.subarray(0, to - at));
  }

  /** Hands the whole clusters of a full buffer to the sink and keeps the rest. */
  async #spill(): Promise<void> {
    const kept = this.#end % this.#sink.clusterBytes;
    const length = this.#length - kept;
    await this.#sink.write(this.#start, this.#buffer.subarray(0, length));
    this.#buffer.copyWithin(0, length, this.#length);
    this.#start += length;
    this.#length = kept;
  }

  #wholeClusters(at: number, length: number): number {
    const { clusterBytes } = this.#sink;
    return at % clusterBytes === 0 ? length - (length % clusterBytes) : 0;
  }
}

/** Bytes from `at` to the end of its cluster, 0 at a boundary. */
function missing(at: number, clusterBytes: number): number {
  return (clusterBytes - (at % clusterBytes)) % clusterBytes;
}
