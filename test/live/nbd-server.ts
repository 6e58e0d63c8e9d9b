import { Input } from '../../agent/nbd/input.ts';
import { BASE_ALLOCATION } from '../../agent/nbd/wire.ts';
import type { ByteStream } from '../../core/stream.ts';
import { pipe } from './pipe.ts';

const HELLO = Buffer.from('NBDMAGICIHAVEOPT');
const REPLY_MAGIC = Buffer.from('0003e889045565a9', 'hex');

interface Says {
  hello: Buffer;
  flags: number;
  contexts: readonly string[];
  size: bigint | undefined;
  /** Pieces of information about the export that nobody asked for, and their bytes. */
  infos: number;
  infoBytes: number;
  /** Of the last option. */
  refusal: number | undefined;
}

/** A server of blocks that says what a test wants it to. */
export class ScriptedServer {
  readonly stream: ByteStream;
  readonly says: Says;
  readonly #end: ByteStream;
  readonly #input: Input;

  constructor(says: Partial<Says> = {}) {
    [this.stream, this.#end] = pipe();
    this.#input = new Input(this.#end);
    this.says = {
      hello: HELLO,
      flags: 3,
      contexts: [BASE_ALLOCATION],
      size: 1n << 30n,
      infos: 0,
      infoBytes: 4,
      refusal: undefined,
      ...says,
    };
  }

  /** Plays the server's part of the negotiation. */
  async agree(): Promise<void> {
    const { hello, flags, contexts, size, infos, infoBytes, refusal } = this.says;
    this.raw(hello, u16(flags));
    await this.#input.take(4);
    this.#reply((await this.#option()).option, 1);
    const meta = await this.#option();
    for (const [at, name] of contexts.entries()) this.#reply(meta.option, 4, u32(at + 1), Buffer.from(name));
    this.#reply(meta.option, 1);
    const go = await this.#option();
    if (refusal !== undefined) return this.#reply(go.option, 0x8000_0000 + refusal, Buffer.from('no such export'));
    for (let each = 0; each < infos; each++) this.#reply(go.option, 3, u16(7), Buffer.alloc(2));
    if (infoBytes > 4) this.#reply(go.option, 3, Buffer.alloc(infoBytes));
    if (size !== undefined) this.#reply(go.option, 3, u16(0), this.u64(size), u16(3));
    this.#reply(go.option, 1);
  }

  async request(): Promise<{ type: number; handle: bigint; offset: number; length: number }> {
    const head = await this.#input.take(28);
    return {
      type: head.readUInt16BE(6),
      handle: head.readBigUInt64BE(8),
      offset: Number(head.readBigUInt64BE(16)),
      length: head.readUInt32BE(24),
    };
  }

  chunk(handle: bigint, of: { type: number; done: boolean }, ...payload: Buffer[]): void {
    const bytes = Buffer.concat(payload);
    this.head(handle, of, bytes.length);
    this.raw(bytes);
  }

  head(handle: bigint, { type, done }: { type: number; done: boolean }, length: number): void {
    this.raw(Buffer.from('668e33ef', 'hex'), u16(done ? 1 : 0), u16(type), this.u64(handle), u32(length));
  }

  simple(handle: bigint, error: number): void {
    this.raw(Buffer.from('67446698', 'hex'), u32(error), this.u64(handle));
  }

  at(offset: number): Buffer {
    return this.u64(BigInt(offset));
  }

  u32 = u32;

  u64(value: bigint): Buffer {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64BE(value);
    return bytes;
  }

  raw(...bytes: Buffer[]): void {
    this.#end.write(Buffer.concat(bytes)).catch(() => undefined);
  }

  close(): void {
    this.#end.close();
  }

  async #option(): Promise<{ option: number; data: Buffer }> {
    const head = await this.#input.take(16);
    return { option: head.readUInt32BE(8), data: await this.#input.take(head.readUInt32BE(12)) };
  }

  #reply(option: number, type: number, ...payload: Buffer[]): void {
    const bytes = Buffer.concat(payload);
    this.raw(REPLY_MAGIC, u32(option), u32(type), u32(bytes.length), bytes);
  }
}

export function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
