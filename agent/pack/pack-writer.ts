import { toHex } from '../../core/fingerprint.ts';
import type { FooterChunk } from '../../core/format/footer.ts';
import { limits } from '../../core/limits.ts';
import { Slots } from '../scan/slots.ts';
import type { Stop } from '../scan/stop.ts';
import { type SealedFrame, sealFrame } from './frame-codec.ts';
import { assemblePack, type ChunkKey, type Pack, type PackedChunk } from './pack.ts';

interface OpenFrame {
  readonly buffer: Uint8Array;
  length: number;
  readonly chunks: FooterChunk[];
}

interface OpenPack {
  readonly slot: number;
  readonly chunks: PackedChunk[];
  /** Places in this pack by fingerprint: what comes twice is stored once. */
  readonly places: Map<string, { readonly frame: number; readonly rawOffset: number }>;
  readonly segments: Set<number>;
  readonly frames: Promise<SealedFrame>[];
  readonly chunksOfFrames: FooterChunk[][];
  rawBytes: number;
}

/**
 * Gets each finished pack, in order, one at a time, and calls `forget` once it needs the bytes no longer: that empties
 * the pack's parts and makes room for the next.
 */
export type Deliver = (pack: Pack, forget: () => void) => Promise<void>;

/**
 * Groups chunks to frames and frames to packs. Frames are compressed beside the caller, who waits as soon as
 * `frames_in_flight` raw frames or `uploads_in_flight + packs_waiting_max` packs are in memory. The same chunks in the
 * same order give the same packs. A chunk whose content is in the open pack already is not stored again.
 * A failure stops `stop`; whoever waits here then gets its reason.
 */
export class PackWriter {
  readonly #level: number;
  readonly #stop: Stop;
  readonly #deliver: Deliver;
  readonly #buffers: Slots<Uint8Array>;
  readonly #packs = Slots.count(limits.uploads_in_flight + limits.packs_waiting_max);
  #pack: OpenPack | undefined;
  #frame: OpenFrame | undefined;
  /** Packs are delivered in the order in which they were filled. */
  #delivered: Promise<void> = Promise.resolve();

  constructor(options: { level: number; stop: Stop; deliver: Deliver }) {
    this.#level = options.level;
    this.#stop = options.stop;
    this.#deliver = options.deliver;
    const buffers = Array.from({ length: limits.frames_in_flight }, () =>
      Buffer.allocUnsafeSlow(limits.frame_raw_bytes_max),
    );
    this.#buffers = new Slots<Uint8Array>(buffers);
  }

  /**
   * Takes a chunk in; its bytes have been copied when this resolves. Answers whether its content was there already.
   * One call at a time.
   */
  async add(key: ChunkKey, fingerprint: Uint8Array, bytes: Uint8Array): Promise<'packed' | 'repeated'> {
    const name = toHex(fingerprint);
    if (this.#pack !== undefined && !hasRoomFor(this.#pack, key.segment, bytes.length)) this.#closePack();
    const known = this.#pack?.places.get(name);
    if (known !== undefined) {
      note(this.#pack!, key, known);
      return 'repeated';
    }
    const pack = await this.#openPack();
    const frame = await this.#openFrame(bytes.length);
    const place = { frame: pack.frames.length, rawOffset: frame.length };
    frame.buffer.set(bytes, frame.length);
    frame.length += bytes.length;
    frame.chunks.push({ fingerprint: Buffer.from(fingerprint), length: bytes.length });
    pack.rawBytes += bytes.length;
    pack.places.set(name, place);
    note(pack, key, place);
    return 'packed';
  }

  /** Closes the open pack; all that was added has been delivered when this resolves. */
  async flush(): Promise<void> {
    this.#closePack();
    await this.#delivered;
  }

  async #openPack(): Promise<OpenPack> {
    this.#pack ??= newPack(await this.#packs.take(this.#stop.signal));
    return this.#pack;
  }

  async #openFrame(length: number): Promise<OpenFrame> {
    if (this.#frame !== undefined && this.#frame.length + length > this.#frame.buffer.length) this.#closeFrame();
    this.#frame ??= { buffer: await this.#buffers.take(this.#stop.signal), length: 0, chunks: [] };
    return this.#frame;
  }

  #closeFrame(): void {
    const { buffer, length, chunks } = this.#frame!;
    this.#frame = undefined;
    const sealed = sealFrame(buffer.subarray(0, length), this.#level).finally(() => this.#buffers.give(buffer));
    sealed.catch((error: unknown) => this.#stop.fail(error));
    this.#pack!.frames.push(sealed);
    this.#pack!.chunksOfFrames.push(chunks);
  }

  #closePack(): void {
    const pack = this.#pack;
    if (pack === undefined) return;
    if (this.#frame !== undefined) this.#closeFrame();
    this.#pack = undefined;
    this.#delivered = this.#delivered.then(() => this.#finish(pack));
    this.#delivered.catch((error: unknown) => this.#stop.fail(error));
  }

  async #finish({ frames, chunksOfFrames, chunks, slot }: OpenPack): Promise<void> {
    const pack = { ...assemblePack(await Promise.all(frames), chunksOfFrames), chunks };
    this.#stop.signal.throwIfAborted();
    await this.#deliver(pack, () => {
      pack.parts.length = 0;
      this.#packs.give(slot);
    });
  }
}

function newPack(slot: number): OpenPack {
  return {
    slot,
    chunks: [],
    places: new Map(),
    segments: new Set(),
    frames: [],
    chunksOfFrames: [],
    rawBytes: 0,
  };
}

function note(pack: OpenPack, key: ChunkKey, place: { frame: number; rawOffset: number }): void {
  pack.segments.add(key.segment);
  pack.chunks.push({ ...key, ...place });
}

function hasRoomFor(pack: OpenPack, segment: number, length: number): boolean {
  if (pack.rawBytes + length > limits.pack_raw_bytes_max || pack.chunks.length >= limits.pack_chunks_max) return false;
  return pack.segments.has(segment) || pack.segments.size < limits.pack_segments_max;
}
