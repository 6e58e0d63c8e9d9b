/** What power loss may tear: disks write these whole. */
const SECTOR_BYTES = 512;

interface Change {
  readonly offset: number;
  /** Undefined for a new length. */
  readonly bytes?: Buffer;
}

/** A file's bytes as a running system sees them, and those of them that are on the disk. */
export class FileContent {
  readonly kind = 'file';
  readonly ino: bigint;
  mtimeNs: bigint;
  ctimeNs: bigint;
  size = 0;
  #bytes = Buffer.alloc(0);
  #durable = Buffer.alloc(0);
  /** Since the last sync, in order. */
  #changes: Change[] = [];

  constructor(ino: bigint, nowMs: number) {
    this.ino = ino;
    this.mtimeNs = this.ctimeNs = BigInt(nowMs) * 1_000_000n;
  }

  read(into: Uint8Array, offset: number): number {
    const part = this.#bytes.subarray(offset, Math.min(this.size, offset + into.length));
    into.set(part);
    return part.length;
  }

  write(bytes: Uint8Array, offset: number, nowMs: number): void {
    const copy = Buffer.from(bytes);
    this.#changes.push({ offset, bytes: copy });
    this.#grow(offset + copy.length);
    copy.copy(this.#bytes, offset);
    this.mtimeNs = this.ctimeNs = this.tick(nowMs);
  }

  truncate(size: number, nowMs: number): void {
    this.#changes.push({ offset: size });
    this.#resize(size);
    this.mtimeNs = this.ctimeNs = this.tick(nowMs);
  }

  sync(): void {
    this.#durable = Buffer.from(this.#bytes.subarray(0, this.size));
    this.#changes = [];
  }

  /** Each change since the last sync has come to the disk, or not, or in part. */
  crash(chance: () => number): void {
    const changes = this.#changes;
    this.#changes = [];
    if (changes.length === 0) return;
    this.#bytes = Buffer.from(this.#durable);
    this.size = this.#durable.length;
    for (const { offset, bytes } of changes) {
      const luck = chance();
      if (luck < 0.4) continue;
      if (bytes === undefined) this.#resize(offset);
      else this.#put(luck < 0.8 ? bytes : torn(bytes, chance()), offset);
    }
    this.sync();
  }

  /** A file with what is on the disk for sure. */
  asOnDisk(): FileContent {
    const copy = new FileContent(this.ino, 0);
    copy.#put(this.#durable, 0);
    copy.sync();
    return copy;
  }

  /** A time after the last change, whatever the clock says. */
  tick(nowMs: number): bigint {
    const now = BigInt(nowMs) * 1_000_000n;
    return now > this.ctimeNs ? now : this.ctimeNs + 1n;
  }

  #put(bytes: Buffer, offset: number): void {
    this.#grow(offset + bytes.length);
    bytes.copy(this.#bytes, offset);
  }

  #grow(size: number): void {
    if (size > this.size) this.#resize(size);
  }

  #resize(size: number): void {
    if (size > this.#bytes.length) {
      const larger = Buffer.alloc(Math.max(size, 2 * this.#bytes.length));
      this.#bytes.copy(larger, 0, 0, this.size);
      this.#bytes = larger;
    } else if (size < this.size) {
      this.#bytes.fill(0, size, this.size);
    }
    this.size = size;
  }
}

/** The first sectors of what was written. */
function torn(bytes: Buffer, chance: number): Buffer {
  return bytes.subarray(0, Math.floor((chance * bytes.length) / SECTOR_BYTES) * SECTOR_BYTES);
}
