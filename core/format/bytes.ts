import { LayerMoverError } from '../errors.ts';

/** A format that a reader doesn't accept: which one, and what is wrong with it. */
export function refuse(format: string, what: string): LayerMoverError {
  return new LayerMoverError('FORMAT_REFUSED', `${format}: ${what}`, { data: { format } });
}

export const FORMAT_VERSION = 1;

/** Reads a canonical binary object from front to back; every step is checked against its end. */
export class ByteReader {
  readonly #format: string;
  readonly #bytes: Buffer;
  #at = 0;

  constructor(format: string, bytes: Uint8Array) {
    this.#format = format;
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Reads magic and version byte. */
  header(magic: string): void {
    if (this.take(4).toString('latin1') !== magic) throw refuse(this.#format, `does not begin with ${magic}`);
    const version = this.u8();
    if (version !== FORMAT_VERSION) {
      throw new LayerMoverError('FORMAT_VERSION', `${this.#format}: version ${version} is not known`, {
        hint: 'a newer LayerMover wrote this; upgrade this one',
        data: { format: this.#format, version },
      });
    }
  }

  take(length: number): Buffer {
    if (this.#at + length > this.#bytes.length) throw refuse(this.#format, 'is cut short');
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  u8(): number {
    return this.take(1).readUInt8();
  }

  u16(): number {
    return this.take(2).readUInt16BE();
  }

  u32(): number {
    return this.take(4).readUInt32BE();
  }

  u64(): number {
    const value = this.take(8).readBigUInt64BE();
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw refuse(this.#format, 'holds a number over 2^53');
    return Number(value);
  }

  reserved(length: number): void {
    if (this.take(length).some((byte) => byte !== 0)) throw refuse(this.#format, 'sets reserved bytes');
  }

  /** Where the reader stands, bytes from the front. */
  get position(): number {
    return this.#at;
  }

  end(): void {
    if (this.#at !== this.#bytes.length) throw refuse(this.#format, 'has trailing bytes');
  }
}

/** Writes a canonical binary object of known size from front to back. */
export class ByteWriter {
  readonly bytes: Buffer;
  #at = 0;

  constructor(size: number) {
    this.bytes = Buffer.alloc(size);
  }

  header(magic: string): this {
    this.#at += this.bytes.write(magic, this.#at, 'latin1');
    return this.u8(FORMAT_VERSION);
  }

  put(bytes: Uint8Array): this {
    this.bytes.set(bytes, this.#at);
    this.#at += bytes.length;
    return this;
  }

  u8(value: number): this {
    this.#at = this.bytes.writeUInt8(value, this.#at);
    return this;
  }

  u16(value: number): this {
    this.#at = this.bytes.writeUInt16BE(value, this.#at);
    return this;
  }

  u32(value: number): this {
    this.#at = this.bytes.writeUInt32BE(value, this.#at);
    return this;
  }

  u64(value: number): this {
    this.#at = this.bytes.writeBigUInt64BE(BigInt(value), this.#at);
    return this;
  }

  reserved(length: number): this {
    this.#at += length;
    return this;
  }
}
