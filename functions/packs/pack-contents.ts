import { DIGEST_BYTES } from '../../core/fingerprint.ts';
import type { Footer } from '../../core/format/footer.ts';
import type { FramePlace } from '../../core/format/placement.ts';

const EMPTY = 0xffff_ffff;

/** Where a chunk lies in a pack. */
export interface ChunkPlace {
  /** The same object for all chunks of a frame. */
  readonly frame: FramePlace;
  /** Bytes from the decompressed frame's start. */
  readonly rawOffset: number;
}

/**
 * The chunks of a pack, found by fingerprint: an open hash table over the fingerprints' own first bytes, which are as
 * good as random. About 60 bytes a chunk, where a Map of hex strings needs several times that.
 */
export class PackContents {
  readonly #fingerprints: Buffer;
  /** The first bytes of each fingerprint: nearly always they tell it from another. */
  readonly #tags: Uint32Array;
  readonly #frames: readonly FramePlace[];
  readonly #frameOf: Uint16Array;
  readonly #rawOffset: Uint32Array;
  readonly #slots: Uint32Array;

  constructor(pack: Uint8Array, footer: Footer) {
    const count = footer.chunks.length;
    this.#fingerprints = Buffer.allocUnsafeSlow(count * DIGEST_BYTES);
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
        this.#put(chunk, footer.chunks[chunk]!.fingerprint, at, rawOffset);
        rawOffset += footer.chunks[chunk]!.length;
      }
    });
  }

  /** Memory that this holds, about. */
  get bytes(): number {
    const words = this.#tags.length + this.#rawOffset.length + this.#slots.length;
    return this.#fingerprints.length + this.#frameOf.byteLength + 4 * words;
  }

  /** Finds the fingerprint that lies at `at` in `batch`. */
  find(batch: Buffer, at: number): ChunkPlace | undefined {
    const tag = batch.readUInt32LE(at);
    const mask = this.#slots.length - 1;
    for (let slot = tag & mask; ; slot = (slot + 1) & mask) {
      const chunk = this.#slots[slot]!;
      if (chunk === EMPTY) return undefined;
      if (this.#tags[chunk] === tag && this.#isAt(chunk, batch, at))
        return { frame: this.#frames[this.#frameOf[chunk]!]!, rawOffset: this.#rawOffset[chunk]! };
    }
  }

  #isAt(chunk: number, batch: Buffer, at: number): boolean {
    const start = chunk * DIGEST_BYTES;
    return this.#fingerprints.compare(batch, at, at + DIGEST_BYTES, start, start + DIGEST_BYTES) === 0;
  }

  #put(chunk: number, fingerprint: Uint8Array, frame: number, rawOffset: number): void {
    this.#fingerprints.set(fingerprint, chunk * DIGEST_BYTES);
    const tag = this.#fingerprints.readUInt32LE(chunk * DIGEST_BYTES);
    this.#tags[chunk] = tag;
    this.#frameOf[chunk] = frame;
    this.#rawOffset[chunk] = rawOffset;
    const mask = this.#slots.length - 1;
    let slot = tag & mask;
    while (this.#slots[slot] !== EMPTY) slot = (slot + 1) & mask;
    this.#slots[slot] = chunk;
  }
}
