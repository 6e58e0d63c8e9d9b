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
import { freeBuffer, largeBuffer } from './memory.ts';
import type { ChunkKey, ChunkPlace, Pack, PackedChunk } from './pack.ts';

/** A pack that is being filled: with so many raw bytes at the most, or one chunk. */
export class OpenPack {
  readonly rawBytesMax: number;
  /** Heads and payloads of its frames, in memory of their own. */
  readonly #parts: Uint8Array[] = [];
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

  constructor(rawBytesMax: number) {
    this.rawBytesMax = rawBytesMax;
  }

  /** Of the chunks in it, each once. */
  get rawBytes(): number {
    return this.#rawBytes;
  }

  hasRoomFor(segment: number, length: number): boolean {
    if (this.#rawBytes + length > this.rawBytesMax) return false;
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
      const { head, payload, checksum } = await frame.sealing;
      // Not earlier: if one before it has failed, its own bytes are in use until here.
      await before;
      const offset = this.#length;
      const frameBytes = head.length + payload.length;
      // Compressed bytes lie in as much memory as the raw ones took, and may wait for long.
      this.#parts.push(head, copyOf(payload));
      this.#length += frameBytes;
      if (payload.buffer !== frame.raw.buffer) freeBuffer(payload);
      const { raw, chunks } = frame;
      this.#frames.push({ offset, frameBytes, rawBytes: raw.length, chunks, checksum });
    })().finally(used);
    return this.#sealed;
  }

  /** The finished pack, once all its frames are sealed. */
  async finish(): Promise<Pack> {
    await this.#sealed;
    const footer = encodeFooter({ frames: this.#frames, chunks: this.#stored });
    return {
      id: toHex(packIdOf(footer)),
      parts: [...this.#parts, footer, encodeTrailer(footer.length)],
      frames: this.#frames,
      chunks: this.#chunks,
      places: this.#places,
      storedBytes: this.#length + footer.length + TRAILER_BYTES,
    };
  }

  #note(key: ChunkKey, place: ChunkPlace): void {
    this.#segments.add(key.segment);
    this.#chunks.push({ ...key, ...place });
  }
}

function copyOf(bytes: Uint8Array): Uint8Array {
  const copy = largeBuffer(bytes.length);
  copy.set(bytes);
  return copy;
}
