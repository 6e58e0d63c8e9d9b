import { DIGEST_BYTES } from '../../core/fingerprint.ts';
import { CHUNK_ENTRY_BYTES, lengthAt, type OpenFooter } from '../../core/format/footer.ts';
import type { FramePlace } from '../../core/format/placement.ts';

const EMPTY = 0xffff_ffff;

/** Where a chunk lies in a pack. */
export interface ChunkPlace {
  /** The same object for all chunks of a frame. */
  readonly frame: FramePlace;
  /** Bytes from the decompressed frame's start. */
  readonly rawOffset: number;
  /** Raw bytes of the chunk. */
  readonly length: number;
}

/**
 * The chunks of a pack, found by fingerprint: an open hash table over the fingerprints' own first bytes, which are as
 * good as random. About 55 bytes a chunk, where a Map of hex strings needs several times that.
 */
export class PackContents {
  /** As the footer has them: fingerprint and length. */
  readonly #entries: Buffer;
  /** The first bytes of each fingerprint: nearly always they tell it from another. */
  readonly #tags: Uint32Array;
  readonly #frames: readonly FramePlace[];
  readonly #frameOf: Uint16Array;
  readonly #rawOffset: Uint32Array;
  readonly #slots: Uint32Array;

  /** Keeps a copy of the footer's entries, not the bytes that it was read from. */
  constructor(pack: Uint8Array, footer: OpenFooter) {
    const count = footer.chunkCount;
    this.#entries = Buffer.allocUnsafeSlow(footer.entries.length);
    footer.entries.copy(this.#entries);
    this.#tags = new Uint32Array(count);
    this.#frames = footer.frames.map(({ offset, frameBytes, rawBytes }) => {
      return { scope: 'namespace', pack, offset, frameBytes, rawBytes };
    });
    this.#frameOf = new Uint16Array(count);
    this.#rawOffset = new Uint32Array(count);
    this.#slots = new Uint32Array(2 ** Math.ceil(Math.log2(2 * count))).fill(EMPTY);
    let chunk = 0;
    footer.frames.forEach((frame, at) => {
      let rawOffset = 0;
      for (let left = frame.chunks; left > 0; left--, chunk++) {
        this.#put(chunk, at, rawOffset);
        rawOffset += lengthAt(footer, chunk);
      }
    });
  }

  /** Memory that this holds, about. */
  get bytes(): number {
    const words = this.#tags.length + this.#rawOffset.length + this.#slots.length;
    return this.#entries.length + this.#frameOf.byteLength + 4 * words;
  }

  /** Finds the fingerprint that lies at `at` in `batch`. */
  find(batch: Buffer, at: number): ChunkPlace | undefined {
    const tag = batch.readUInt32LE(at);
    const mask = this.#slots.length - 1;
    for (let slot = tag & mask; ; slot = (slot + 1) & mask) {
      const chunk = this.#slots[slot]!;
      if (chunk === EMPTY) return undefined;
      if (this.#tags[chunk] === tag && this.#isAt(chunk, batch, at)) return this.#place(chunk);
    }
  }

  #place(chunk: number): ChunkPlace {
    return {
      frame: this.#frames[this.#frameOf[chunk]!]!,
      rawOffset: this.#rawOffset[chunk]!,
      length: this.#entries.readUInt32BE(chunk * CHUNK_ENTRY_BYTES + DIGEST_BYTES),
    };
  }

  #isAt(chunk: number, batch: Buffer, at: number): boolean {
    const start = chunk * CHUNK_ENTRY_BYTES;
    return this.#entries.compare(batch, at, at + DIGEST_BYTES, start, start + DIGEST_BYTES) === 0;
  }

  #put(chunk: number, frame: number, rawOffset: number): void {
    const tag = this.#entries.readUInt32LE(chunk * CHUNK_ENTRY_BYTES);
    this.#tags[chunk] = tag;
    this.#frameOf[chunk] = frame;
    this.#rawOffset[chunk] = rawOffset;
    const mask = this.#slots.length - 1;
    let slot = tag & mask;
    while (this.#slots[slot] !== EMPTY) slot = (slot + 1) & mask;
    this.#slots[slot] = chunk;
  }
}
