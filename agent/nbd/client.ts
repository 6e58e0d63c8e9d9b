import { withDeadline } from '../../adapters/deadline.ts';
import { hasCode } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import type { Clock } from '../../core/ports.ts';
import type { ByteStream, Dial } from '../../core/stream.ts';
import { abortable } from '../flow/abortable.ts';
import { Slots } from '../flow/slots.ts';
import { lost, refused, requestFailed, silent } from './failure.ts';
import { type Agreed, shakeHands } from './handshake.ts';
import { Input } from './input.ts';
import { ReadRequest, type Request, StatusRequest } from './requests.ts';
import * as wire from './wire.ts';

export interface NbdOptions {
  readonly exportName: string;
  /** All of them must be there. */
  readonly contexts: readonly string[];
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

interface Pending {
  readonly request: Request;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Connects to an export. Errors: NBD_LOST, NBD_TIMEOUT, NBD_REFUSED, NBD_OPTION_REFUSED, the signal's reason. */
export async function openNbd(dial: Dial, { clock, signal, ...want }: NbdOptions): Promise<NbdClient> {
  const late = () => silent(limits.nbd_connect_ms);
  return withDeadline(
    async (within) => {
      const stream = await dial(within).catch((cause: unknown) => {
        within.throwIfAborted();
        throw lost(cause);
      });
      try {
        const input = new Input(stream);
        return new NbdClient(stream, input, clock, await abortable(shakeHands(stream, input, want), within));
      } catch (error) {
        stream.close();
        throw error;
      }
    },
    { clock, ms: limits.nbd_connect_ms, late, signal },
  );
}

/**
 * A connection to one export, with many requests in flight. Whatever is wrong with the connection ends it, and with it
 * every request; an error of one request is that request's own.
 */
export class NbdClient {
  readonly virtualBytes: number;
  readonly #stream: ByteStream;
  readonly #input: Input;
  readonly #contexts: ReadonlyMap<number, string>;
  readonly #pending = new Map<bigint, Pending>();
  readonly #slots = Slots.count(limits.nbd_requests_in_flight);
  readonly #ended = new AbortController();
  #nextHandle = 1;

  constructor(stream: ByteStream, input: Input, clock: Clock, { virtualBytes, contexts }: Agreed) {
    this.#stream = stream;
    this.#input = input;
    this.virtualBytes = virtualBytes;
    this.#contexts = contexts;
    this.#receive().catch((error: unknown) => this.#end(error));
    this.#watch(clock).catch(() => undefined);
  }

  /**
   * Fills `into` from the disk's `offset` on. If the signal aborts this rejects at once, but the buffer may be written
   * to until the connection is closed: whoever gives up closes it before the buffer is used otherwise.
   * Errors: NBD_ERROR, NBD_LOST, NBD_TIMEOUT, NBD_REFUSED, the signal's reason.
   */
  async read(offset: number, into: Uint8Array, signal: AbortSignal): Promise<void> {
    const parts: Promise<void>[] = [];
    for (let at = 0; at < into.length; at += limits.nbd_read_bytes_max) {
      const part = into.subarray(at, at + limits.nbd_read_bytes_max);
      parts.push(this.#ask(wire.CMD_READ, offset + at, part.length, new ReadRequest(offset + at, part), signal));
    }
    await Promise.all(parts);
  }

  /** What the contexts say from `offset` on, each as far as it answered, by name. Errors: as `read`. */
  async status(offset: number, length: number, signal: AbortSignal) {
    const request = new StatusRequest(this.#contexts);
    await this.#ask(wire.CMD_BLOCK_STATUS, offset, length, request, signal);
    return request.runs;
  }

  /** Ends the connection; nothing is written into any buffer afterwards. */
  close(): void {
    this.#end(lost());
  }

  async #ask(command: number, offset: number, length: number, request: Request, outer: AbortSignal): Promise<void> {
    const signal = AbortSignal.any([outer, this.#ended.signal]);
    const slot = await this.#slots.take(signal);
    const handle = this.#nextHandle++;
    const answer = new Promise<void>((resolve, reject) => {
      this.#pending.set(BigInt(handle), { request, resolve, reject });
    });
    // The slot is in use until the server has answered, whether somebody waits for it or not.
    const answered = answer.finally(() => this.#slots.give(slot));
    answered.catch(() => undefined);
    const sent = this.#stream.write(wire.requestBytes(command, handle, offset, length));
    sent.catch((error: unknown) => this.#end(lost(error)));
    await abortable(answered, signal);
  }

  async #receive(): Promise<never> {
    for (;;) {
      const magic = (await this.#input.take(4)).readUInt32BE();
      if (magic === wire.CHUNK_MAGIC) await this.#takeChunk(await this.#input.take(16));
      else if (magic === wire.SIMPLE_REPLY_MAGIC) this.#takeSimple(await this.#input.take(12));
      else throw refused('a reply that does not begin as one');
    }
  }

  async #takeChunk(head: Buffer): Promise<void> {
    const handle = head.readBigUInt64BE(4);
    const pending = this.#pendingOf(handle);
    await pending.request.take({ type: head.readUInt16BE(2), length: head.readUInt32BE(12) }, this.#input);
    if ((head.readUInt16BE(0) & wire.CHUNK_DONE) === 0) return;
    this.#pending.delete(handle);
    this.#settle(pending);
  }

  /** Other requests than reads may be refused by a simple reply. */
  #takeSimple(head: Buffer): void {
    const errno = head.readUInt32BE(0);
    const handle = head.readBigUInt64BE(4);
    const pending = this.#pendingOf(handle);
    if (errno === 0) throw refused('a reply without what was asked for');
    this.#pending.delete(handle);
    pending.reject(requestFailed(pending.request.what, errno, ''));
  }

  #settle({ request, resolve, reject }: Pending): void {
    try {
      request.finish();
      resolve();
    } catch (error) {
      reject(error);
      // A server that answers what cannot be is asked nothing more.
      if (hasCode(error, 'NBD_REFUSED')) throw error;
    }
  }

  #pendingOf(handle: bigint): Pending {
    const pending = this.#pending.get(handle);
    if (pending === undefined) throw refused('a reply to nothing');
    return pending;
  }

  /** Ends the connection if the server owes an answer and says nothing. */
  async #watch(clock: Clock): Promise<void> {
    for (let before = -1; ; before = this.#pending.size > 0 ? this.#input.arrived : -1) {
      await clock.sleep(limits.nbd_silence_ms, this.#ended.signal);
      if (this.#pending.size > 0 && this.#input.arrived === before) this.#end(silent(limits.nbd_silence_ms));
    }
  }

  #end(reason: unknown): void {
    this.#stream.close();
    this.#input.end();
    if (!this.#ended.signal.aborted) this.#ended.abort(reason);
    for (const { reject } of this.#pending.values()) reject(this.#ended.signal.reason);
    this.#pending.clear();
  }
}
