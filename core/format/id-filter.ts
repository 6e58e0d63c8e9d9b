import { CHECKSUM_BYTES, checksum } from '../checksum.ts';
import { sameDigest } from '../fingerprint.ts';
import { limits } from '../limits.ts';
import { ByteReader, ByteWriter, refuse } from './bytes.ts';

const HEAD_BYTES = 16;
const SALT_BYTES = 8;

/**
 * A set of ids (SHA-256, hex) of fixed size that forgets none: it may take an id for one of its own that is not
 * (Bloom, CACM 1970). The salt decides which those are, so that the next set errs about others. `what` keeps ids of
 * different kinds apart.
 */
export class IdFilter {
  readonly #salt: Uint8Array;
  readonly #bits: Uint8Array;
  readonly #shift: number;

  private constructor(salt: Uint8Array, bits: Uint8Array) {
    this.#salt = salt;
    this.#bits = bits;
    this.#shift = 32 - Math.log2(bits.length * 8);
  }

  /** An empty one. `salt` is 8 random bytes. */
  static create(salt: Uint8Array): IdFilter {
    return new IdFilter(salt.subarray(0, SALT_BYTES), new Uint8Array(limits.collection_filter_bytes));
  }

  /** Reads one (docs/FORMAT.md, id filter). A damaged one is refused: a bit that is lost would cost an object. */
  static decode(bytes: Uint8Array): IdFilter {
    const reader = new ByteReader('id filter', bytes);
    reader.header('LMIF');
    reader.reserved(3);
    const salt = reader.take(SALT_BYTES);
    const bits = reader.take(limits.collection_filter_bytes);
    const sum = reader.take(CHECKSUM_BYTES);
    reader.end();
    if (!sameDigest(sum, checksum(bytes.subarray(0, -CHECKSUM_BYTES)))) throw refuse('id filter', 'is damaged');
    return new IdFilter(salt, bits);
  }

  encode(): Buffer {
    const writer = new ByteWriter(HEAD_BYTES + this.#bits.length + CHECKSUM_BYTES).header('LMIF').reserved(3);
    writer.put(this.#salt).put(this.#bits);
    return writer.put(checksum(writer.bytes.subarray(0, -CHECKSUM_BYTES))).bytes;
  }

  add(what: number, id: string): void {
    this.#each(what, id, (byte, bit) => {
      this.#bits[byte]! |= bit;
      return true;
    });
  }

  has(what: number, id: string): boolean {
    return this.#each(what, id, (byte, bit) => (this.#bits[byte]! & bit) !== 0);
  }

  /** Two hashes make all of them (Kirsch, Mitzenmacher, ESA 2006). An id is random by itself: the salt has to be mixed in only. */
  #each(what: number, id: string, visit: (byte: number, bit: number) => boolean): boolean {
    const salt = Buffer.from(this.#salt);
    const first = mix(Number.parseInt(id.slice(0, 8), 16) ^ salt.readUInt32BE(0) ^ Math.imul(what + 1, 0x9e3779b9));
    const step = mix(Number.parseInt(id.slice(8, 16), 16) ^ salt.readUInt32BE(4)) | 1;
    for (let nth = 0; nth < limits.collection_filter_hashes; nth++) {
      const at = ((first + Math.imul(nth, step)) >>> 0) >>> this.#shift;
      if (!visit(at >>> 3, 1 << (at & 7))) return false;
    }
    return true;
  }
}

/** The finisher of MurmurHash3 (A. Appleby): every bit of a word changes about half of the others. */
function mix(word: number): number {
  let h = word;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
