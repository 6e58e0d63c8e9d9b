import { toHex } from '../../core/fingerprint.ts';
import {
  encodeFooter,
  encodeTrailer,
  type FooterChunk,
  type FooterFrame,
  packIdOf,
  TRAILER_BYTES,
} from '../../core/format/footer.ts';
import { limits } from '../../core/limits.ts';
import type { SealedFrame } from './frame-codec.ts';
import { freeBuffer } from './memory.ts';
import type { ChunkKey, ChunkPlace, Pack, PackedChunk } from './pack.ts';

/** Frames of a pack are full but for what one chunk may leave free, so they are few, and so are their heads. */
const HEADS_BYTES_MAX = 64 * 1024;
export const PACK_BUFFER_BYTES = limits.pack_raw_bytes_max + HEADS_BYTES_MAX;

/** A pack that is being filled, in a buffer of PACK_BUFFER_BYTES: with so many raw bytes at the most, or one chunk. */
export class OpenPack {
  readonly buffer: Uint8Array;
  readonly #rawBytesMax: number;
  readonly #chunks: PackedChunk[] = [];
  /** By fingerprint: what comes twice is stored once. */
  readonly #places = new Map<string, ChunkPlace>();
  readonly #segments = new Set<number>();
  readonly #frames: FooterFrame[] = [];
  readonly #stored: FooterChunk[] = [];
  #rawBytes = 0;
  #length = 0;
  #sealed: Promise<void> = Promise.resolve();
  /** Frames closed so far: the number of the open one. */
  framesClosed = 0;

  constructor(buffer: Uint8Array, rawBytesMax: number) {
    this.buffer = buffer;
    this.#rawBytesMax = rawBytesMax;
  }

  /** Of the chunks in it, each once. */
  get rawBytes(): number {
    return this.#rawBytes;
  }

  hasRoomFor(segment: number, length: number): boolean {
    if (this.#rawBytes + length > this.#rawBytesMax) return false;
    if (this.#chunks.length >= limits.pack_chunks_max) return false;
    return this.#segments.has(segment) || this.#segments.size < limits.pack_segments_max;
  }

  /** True if content of this fingerprint (hex) is in the pack: then the key is noted for it. */
  repeat(key: ChunkKey, fingerprint: string): boolean {
    const place = this.#places.get(fingerprint);
    if (place !== undefined) this.#note(key, place);
    return place !== undefined;
  }

  /** Notes a chunk that was put into the open frame. */
  add(key: ChunkKey, fingerprint: string, chunk: FooterChunk, rawOffset: number): void {
    const place = { frame: this.framesClosed, rawOffset };
    this.#places.set(fingerprint, place);
    this.#stored.push(chunk);
    this.#rawBytes += chunk.length;
    this.#note(key, place);
  }

  /** Closes the open frame, which is being sealed; `used` is called when its bytes are in the pack. Frames stay in order. */
  closeFrame(
    frame: { raw: Uint8Array; sealing: Promise<SealedFrame>; chunks: number },
    used: () => void,
  ): Promise<void> {
    this.framesClosed++;
    const before = this.#sealed;
    this.#sealed = (async () => {
      await before;
      const sealed = await frame.sealing;
      const offset = this.#length;
      for (const part of [sealed.head, sealed.payload]) {
        this.buffer.set(part, this.#length);
        this.#length += part.length;
      }
      if (sealed.payload.buffer !== frame.raw.buffer) freeBuffer(sealed.payload);
      const frameBytes = this.#length - offset;
      const { raw, chunks } = frame;
      this.#frames.push({ offset, frameBytes, rawBytes: raw.length, chunks, checksum: sealed.checksum });
    })().finally(used);
    return this.#sealed;
  }

  /** The finished pack, once all its frames are sealed. */
  async finish(): Promise<Pack> {
    await this.#sealed;
    const footer = encodeFooter({ frames: this.#frames, chunks: this.#stored });
    return {
      id: toHex(packIdOf(footer)),
      parts: [this.buffer.subarray(0, this.#length), footer, encodeTrailer(footer.length)],
      frames: this.#frames,
      chunks: this.#chunks,
      storedBytes: this.#length + footer.length + TRAILER_BYTES,
    };
  }

  #note(key: ChunkKey, place: ChunkPlace): void {
    this.#segments.add(key.segment);
    this.#chunks.push({ ...key, ...place });
  }
}
