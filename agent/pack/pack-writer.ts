import type { Zstd } from '../../adapters/system/zstd.ts';
import { toHex } from '../../core/fingerprint.ts';
import { limits } from '../../core/limits.ts';
import { packRawBytes } from '../../core/pack-size.ts';
import { Slots } from '../flow/slots.ts';
import type { Stop } from '../flow/stop.ts';
import { sealFrame } from './frame-codec.ts';
import { freeBuffer, largeBuffer } from './memory.ts';
import { OpenPack, PACK_BUFFER_BYTES } from './open-pack.ts';
import { LinkWatch, type Pace } from './pace.ts';
import type { ChunkKey, Pack } from './pack.ts';

/** Gets each finished pack, in order, one at a time, and calls `forget` once it needs the parts no longer. */
export type Deliver = (pack: Pack, forget: () => void) => Promise<void>;

export interface PackWriterOptions {
  readonly pace: Pace;
  readonly stop: Stop;
  readonly deliver: Deliver;
  /** Raw bytes that are thought to come: of few the packs are small where the link is slow. As large as may be unless set. */
  readonly totalBytes?: number | undefined;
  readonly zstd?: Zstd | undefined;
}

interface OpenFrame {
  readonly buffer: Uint8Array;
  length: number;
  chunks: number;
}

/**
 * Groups chunks to frames and frames to packs. Frames are compressed beside the caller, who waits as soon as all of a
 * fixed set of buffers are in use: `frames_in_flight` of raw frames, `uploads_in_flight + packs_waiting_max` of packs.
 * The same chunks in the same order, at the same level and pace, give the same packs. A chunk whose content is in the open pack already is not
 * stored again. A failure stops `stop`; whoever waits here then gets its reason.
 */
export class PackWriter {
  readonly #pace: Pace;
  readonly #link: LinkWatch;
  readonly #zstd: Zstd | undefined;
  readonly #stop: Stop;
  readonly #deliver: Deliver;
  readonly #totalBytes: number;
  readonly #frames: Slots<Uint8Array>;
  readonly #packs: Slots<Uint8Array>;
  #pack: OpenPack | undefined;
  #frame: OpenFrame | undefined;
  #isOver = false;
  /** Packs are delivered in the order in which they were filled. */
  #delivered: Promise<void> = Promise.resolve();

  constructor(options: PackWriterOptions) {
    this.#pace = options.pace;
    this.#link = new LinkWatch(options.pace);
    this.#zstd = options.zstd;
    this.#stop = options.stop;
    this.#deliver = options.deliver;
    this.#totalBytes = options.totalBytes ?? Number.POSITIVE_INFINITY;
    this.#frames = buffers(limits.frames_in_flight, limits.frame_raw_bytes_max);
    this.#packs = buffers(limits.uploads_in_flight + limits.packs_waiting_max, PACK_BUFFER_BYTES);
  }

  /**
   * Takes a chunk in; its bytes have been copied when this resolves. Answers whether its content was there already.
   * One call at a time.
   */
  async add(key: ChunkKey, fingerprint: Uint8Array, bytes: Uint8Array): Promise<'packed' | 'repeated'> {
    const name = toHex(fingerprint);
    if (this.#pack?.hasRoomFor(key.segment, bytes.length) === false) this.#closePack();
    if (this.#pack?.repeat(key, name)) return 'repeated';
    this.#pack ??= await this.#openPack();
    const frame = await this.#frameFor(bytes.length);
    frame.buffer.set(bytes, frame.length);
    this.#pack.add(key, name, { fingerprint: Buffer.from(fingerprint), length: bytes.length }, frame.length);
    frame.length += bytes.length;
    frame.chunks++;
    return 'packed';
  }

  /** Closes the open pack; all that was added has been delivered when this resolves. */
  async flush(): Promise<void> {
    this.#closePack();
    await this.#delivered;
  }

  /** After `flush`, when nothing will be added any more: gives the memory back, that of packs once they are forgotten. */
  free(): void {
    this.#isOver = true;
    for (const buffer of [...this.#frames.takeIdle(), ...this.#packs.takeIdle()]) freeBuffer(buffer);
  }

  async #openPack(): Promise<OpenPack> {
    const buffer = await this.#link.waiting(this.#packs.take(this.#stop.signal));
    return new OpenPack(buffer, packRawBytes(this.#pace.linkBytesPerMs, this.#totalBytes));
  }

  async #frameFor(length: number): Promise<OpenFrame> {
    if (this.#frame !== undefined && this.#frame.length + length > this.#frame.buffer.length) this.#closeFrame();
    this.#frame ??= { buffer: await this.#frames.take(this.#stop.signal), length: 0, chunks: 0 };
    return this.#frame;
  }

  #closeFrame(): void {
    const { buffer, length, chunks } = this.#frame!;
    this.#frame = undefined;
    const raw = buffer.subarray(0, length);
    const sealing = this.#link.compressing(sealFrame(raw, this.#link.level, this.#zstd));
    const sealed = this.#pack!.closeFrame({ raw, sealing, chunks }, () => this.#giveBack(this.#frames, buffer));
    for (const each of [sealing, sealed]) each.catch((error: unknown) => this.#stop.fail(error));
  }

  #closePack(): void {
    const pack = this.#pack;
    if (pack === undefined) return;
    if (this.#frame !== undefined) this.#closeFrame();
    this.#pack = undefined;
    this.#link.filled(pack.rawBytes);
    this.#delivered = this.#delivered.then(() => this.#finish(pack));
    this.#delivered.catch((error: unknown) => this.#stop.fail(error));
  }

  async #finish(open: OpenPack): Promise<void> {
    const pack = await open.finish();
    this.#stop.signal.throwIfAborted();
    const arrived = this.#link.sending(pack.storedBytes);
    await this.#deliver(pack, () => {
      arrived();
      this.#giveBack(this.#packs, open.buffer);
    });
  }

  #giveBack(slots: Slots<Uint8Array>, buffer: Uint8Array): void {
    if (this.#isOver) freeBuffer(buffer);
    else slots.give(buffer);
  }
}

function buffers(count: number, length: number): Slots<Uint8Array> {
  return new Slots(Array.from({ length: count }, () => largeBuffer(length)));
}
