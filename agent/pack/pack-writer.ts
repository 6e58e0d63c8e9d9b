import { threadedZstd, type Zstd } from '../../adapters/system/zstd.ts';
import { toHex } from '../../core/fingerprint.ts';
import { limits } from '../../core/limits.ts';
import { packRawBytes } from '../../core/pack-size.ts';
import { Room } from '../flow/room.ts';
import { Slots } from '../flow/slots.ts';
import type { Stop } from '../flow/stop.ts';
import { sealFrame } from './frame-codec.ts';
import type { LinkWatch, OnItsWay } from './link-watch.ts';
import { freeBuffer, largeBuffer } from './memory.ts';
import { OpenPack } from './open-pack.ts';
import type { Pace } from './pace.ts';
import type { ChunkKey, Pack } from './pack.ts';
import { mayShrink } from './sample.ts';

/** Gets each finished pack, in order, one at a time, and calls `forget` once, when it needs the parts no longer. */
export type Deliver = (pack: Pack, forget: () => void) => Promise<void>;

export interface PackWriterOptions {
  readonly pace: Pace;
  readonly stop: Stop;
  readonly deliver: Deliver;
  /** Raw bytes that are thought to come: of few the packs are small where the link is slow. As large as may be unless set. */
  readonly totalBytes?: number | undefined;
  readonly zstd?: Zstd | undefined;
  /** Memory for its packs, `pack_memory_bytes` of its own unless set. */
  readonly memory?: Room | undefined;
  /** What it goes by instead of what all of its agent's writers have on the link. */
  readonly link?: LinkWatch | undefined;
}

/** What a pack takes until it is forgotten. */
interface Held {
  /** Of the memory for packs. */
  bytes: number;
  /** Set while it is on its way. */
  onItsWay?: OnItsWay;
}

interface OpenFrame {
  readonly buffer: Uint8Array;
  length: number;
  chunks: number;
}

/**
 * Groups chunks to frames and frames to packs. Frames are compressed beside the caller, who waits as soon as memory is in use:
 * `frames_in_flight` raw frames, `pack_memory_bytes` of packs. An open pack counts as if it did not shrink, a finished one as what it is,
 * so that of what shrinks many wait for the link: they keep it busy while the next ones take longer to make than to send.
 * The same chunks in the same order, at the same level and pace, give the same packs. A chunk whose content is in the open pack already is not
 * stored again. A failure stops `stop`; whoever waits here then gets its reason.
 */
export class PackWriter {
  readonly #pace: Pace;
  readonly #link: LinkWatch;
  readonly #zstd: Zstd;
  readonly #stop: Stop;
  readonly #deliver: Deliver;
  readonly #totalBytes: number;
  readonly #frames: Slots<Uint8Array>;
  readonly #memory: Room;
  readonly #held = new Map<OpenPack, Held>();
  #pack: OpenPack | undefined;
  /** The one that was half full last. */
  #halfFull: OpenPack | undefined;
  #frame: OpenFrame | undefined;
  #isOver = false;
  /** Packs are delivered in the order in which they were filled. */
  #delivered: Promise<void> = Promise.resolve();

  constructor(options: PackWriterOptions) {
    this.#pace = options.pace;
    this.#link = options.link ?? options.pace.link;
    this.#link.begin();
    this.#zstd = options.zstd ?? threadedZstd;
    this.#stop = options.stop;
    this.#deliver = options.deliver;
    this.#totalBytes = options.totalBytes ?? Number.POSITIVE_INFINITY;
    this.#memory = options.memory ?? new Room(limits.pack_memory_bytes);
    const frames = { length: limits.frames_in_flight };
    this.#frames = new Slots(Array.from(frames, () => largeBuffer(limits.frame_raw_bytes_max)));
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
    if (await this.#isFullByHalf(this.#pack, frame)) this.#closePack();
    return 'packed';
  }

  /** Closes the open pack; all that was added has been delivered when this resolves. */
  async flush(): Promise<void> {
    this.#closePack();
    await this.#delivered;
  }

  /** After `flush`, when nothing will be added any more: gives the frames' memory back. Packs have theirs until they are forgotten. */
  free(): void {
    this.#isOver = true;
    for (const buffer of this.#frames.takeIdle()) freeBuffer(buffer);
  }

  /** After a failure, when nothing will be added or forgotten any more: leaves the link and the memory to other writers. */
  abandon(): void {
    this.free();
    for (const { bytes, onItsWay } of this.#held.values()) {
      onItsWay?.lost();
      this.#memory.give(bytes);
    }
    this.#held.clear();
  }

  async #openPack(): Promise<OpenPack> {
    const rawBytesMax = packRawBytes(this.#pace.linkBytesPerMs, this.#totalBytes);
    await this.#link.waiting(this.#memory.take(rawBytesMax, this.#stop.signal));
    const pack = new OpenPack(rawBytesMax);
    this.#held.set(pack, { bytes: rawBytesMax });
    return pack;
  }

  /** Of what does not shrink half a pack is enough where packs are small for the link's sake: it carries that as long as a whole one that does. */
  async #isFullByHalf(pack: OpenPack, { buffer, length }: OpenFrame): Promise<boolean> {
    if (pack.rawBytesMax === limits.pack_raw_bytes_max) return false;
    if (pack === this.#halfFull || pack.rawBytes < pack.rawBytesMax / 2) return false;
    this.#halfFull = pack;
    return !(await mayShrink(buffer.subarray(0, length), this.#zstd));
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
    const sealed = this.#pack!.closeFrame({ raw, sealing, chunks }, () => this.#giveBack(buffer));
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
    const held = this.#held.get(open)!;
    // Of a link that nobody knows few packs tell enough: what is made meanwhile is made at the lowest level.
    if (this.#pace.linkBytesPerMs < Number.POSITIVE_INFINITY) {
      const bytes = Math.min(pack.storedBytes, held.bytes);
      this.#memory.give(held.bytes - bytes);
      held.bytes = bytes;
    }
    held.onItsWay = this.#link.sending(pack.storedBytes, open.rawBytes);
    await this.#deliver(pack, () => {
      if (!this.#held.delete(open)) return;
      held.onItsWay!.arrived();
      for (const part of pack.parts) freeBuffer(part);
      this.#memory.give(held.bytes);
    });
  }

  #giveBack(frame: Uint8Array): void {
    if (this.#isOver) freeBuffer(frame);
    else this.#frames.give(frame);
  }
}
