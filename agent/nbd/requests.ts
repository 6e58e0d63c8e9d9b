import { limits } from '../../core/limits.ts';
import { refused, requestFailed } from './failure.ts';
import type { Input } from './input.ts';
import * as wire from './wire.ts';

/** Neighbouring blocks of which one context says the same: its flags, or a depth. */
export interface StatusRun {
  readonly length: number;
  readonly flags: number;
}

/** One chunk of a structured reply, whose payload is still to be read. */
export interface Chunk {
  readonly type: number;
  readonly length: number;
}

/** A request that was sent, and takes the chunks of its reply in. */
export interface Request {
  readonly what: string;
  /** Reads all of the chunk's payload. Errors: NBD_REFUSED, NBD_LOST. */
  take(chunk: Chunk, input: Input): Promise<void>;
  /** The last chunk has come. Errors: NBD_ERROR, NBD_REFUSED. */
  finish(): void;
}

/** What every reply may hold: nothing, or an error. */
abstract class Answered implements Request {
  abstract readonly what: string;
  #failure: Error | undefined;
  #chunks = 0;

  async take({ type, length }: Chunk, input: Input): Promise<void> {
    if (++this.#chunks > limits.nbd_chunks_max) throw refused(`a ${this.what} answered in too many parts`);
    if ((type & wire.CHUNK_ERROR_BIT) !== 0) await this.#takeError(length, input);
    else if (type !== wire.CHUNK_NONE) await this.takeContent({ type, length }, input);
    else if (length > 0) throw refused('a chunk of nothing that holds something');
  }

  finish(): void {
    if (this.#failure !== undefined) throw this.#failure;
    this.assertWhole();
  }

  protected abstract takeContent(chunk: Chunk, input: Input): Promise<void>;
  protected abstract assertWhole(): void;

  async #takeError(length: number, input: Input): Promise<void> {
    if (length < 6 || length > limits.nbd_option_bytes_max) throw refused(`an error of ${length} bytes`);
    const payload = await input.take(length);
    const said = payload.toString('utf8', 6, Math.min(length, 6 + payload.readUInt16BE(4)));
    this.#failure ??= requestFailed(this.what, payload.readUInt32BE(0), said);
  }
}

/** Fills a buffer with the disk's bytes from an offset on, straight from the connection. */
export class ReadRequest extends Answered {
  readonly what = 'read';
  readonly #offset: number;
  readonly #into: Uint8Array;
  readonly #filled: { readonly from: number; readonly to: number }[] = [];

  constructor(offset: number, into: Uint8Array) {
    super();
    this.#offset = offset;
    this.#into = into;
  }

  protected async takeContent({ type, length }: Chunk, input: Input): Promise<void> {
    if (type === wire.CHUNK_DATA && length > 8 && length - 8 <= this.#into.length) {
      const from = this.#place(await input.take(8), length - 8);
      await input.fill(this.#into.subarray(from, from + length - 8));
    } else if (type === wire.CHUNK_HOLE && length === 12) {
      const payload = await input.take(12);
      const count = payload.readUInt32BE(8);
      const from = this.#place(payload, count);
      this.#into.fill(0, from, from + count);
    } else throw refused(`a read answered by a chunk of type ${type} and ${length} bytes`);
  }

  /** Every byte must have come, and none twice: what a buffer held before is no content. */
  protected assertWhole(): void {
    this.#filled.sort((a, b) => a.from - b.from);
    let end = 0;
    for (const { from, to } of this.#filled) {
      if (from !== end) throw refused('a read answered by parts that overlap or leave gaps');
      end = to;
    }
    if (end !== this.#into.length) throw refused('a read answered in part');
  }

  #place(head: Buffer, length: number): number {
    const from = Number(head.readBigUInt64BE(0)) - this.#offset;
    const to = from + length;
    if (from < 0 || to > this.#into.length || length === 0) throw refused('a read answered by bytes from elsewhere');
    this.#filled.push({ from, to });
    return from;
  }
}

/** Asks what the contexts say of a range. Each answers for as much of it, from its start on, as it likes. */
export class StatusRequest extends Answered {
  readonly what = 'block status';
  readonly #contexts: ReadonlyMap<number, string>;
  readonly runs = new Map<string, readonly StatusRun[]>();

  constructor(contexts: ReadonlyMap<number, string>) {
    super();
    this.#contexts = contexts;
  }

  protected async takeContent({ type, length }: Chunk, input: Input): Promise<void> {
    if (type !== wire.CHUNK_BLOCK_STATUS || length < 12 || length % 8 !== 4 || length > limits.nbd_status_bytes_max)
      throw refused(`a block status answered by a chunk of type ${type} and ${length} bytes`);
    const payload = await input.take(length);
    const context = this.#contexts.get(payload.readUInt32BE(0));
    if (context === undefined || this.runs.has(context))
      throw refused('a block status of another context, or twice of one');
    const runs: StatusRun[] = [];
    for (let at = 4; at < length; at += 8) {
      const run = { length: payload.readUInt32BE(at), flags: payload.readUInt32BE(at + 4) };
      if (run.length === 0) throw refused('a block status of no blocks');
      runs.push(run);
    }
    this.runs.set(context, runs);
  }

  protected assertWhole(): void {
    if (this.runs.size !== this.#contexts.size) throw refused('a block status without all contexts');
  }
}
