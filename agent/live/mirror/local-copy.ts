import { join } from 'node:path';
import { chunkLength, type Geometry } from '../../../core/chunk.ts';
import type { Extent } from '../../../core/extent.ts';
import type { Files, OpenFile } from '../../../core/files.ts';
import { limits } from '../../../core/limits.ts';
import { Bell } from '../../daemon/bell.ts';
import type { Piece } from '../../disk/pieces.ts';
import { assertRoom, diskFull, type Wanted } from '../../images/room.ts';
import type { ServedDisk } from '../../nbd/server/served.ts';
import { ChunkBits } from './chunk-bits.ts';

/**
 * What a mirror has written of a running VM's top layer: the bytes in a file with holes, in memory which chunks they are of, and
 * which of those no round has sent. It is gone with the run of the agent. Chunks that nothing was written to read as zeros.
 */
export class LocalCopy implements ServedDisk {
  readonly geometry: Geometry;
  /** Rings when something was written. */
  readonly arrived = new Bell();
  /** Where the highest byte that was written ends: a mirror begins at the start of the disk. */
  frontier = 0;
  /** Why a write was refused. */
  failure: unknown;
  readonly #room: Wanted;
  readonly #folder: string;
  readonly #file: OpenFile;
  /** Chunks whose content is in the file; what others have there counts for nothing. */
  readonly #inFile = new ChunkBits();
  readonly #unsent = new ChunkBits();
  /** Those that the round under way has taken. */
  readonly #taken = new ChunkBits();
  /** Resolves when all that was asked for so far is done. */
  #done: Promise<unknown> = Promise.resolve();
  #unlooked = 0;

  private constructor(geometry: Geometry, of: { room: Wanted; folder: string; file: OpenFile }) {
    this.geometry = geometry;
    this.#room = of.room;
    this.#folder = of.folder;
    this.#file = of.file;
  }

  /**
   * An empty one, in a new folder whose path begins with `prefix`. `room`: where that is, and how much it will hold.
   * Errors: DISK_FULL.
   */
  static async open(files: Files, prefix: string, geometry: Geometry, room: Omit<Wanted, 'files'>): Promise<LocalCopy> {
    const wanted = { ...room, files };
    await assertRoom({ ...wanted, bytes: room.bytes + limits.mirror_free_bytes_min });
    const folder = await files.makeTemporaryFolder(prefix);
    return new LocalCopy(geometry, { room: wanted, folder, file: await files.open(join(folder, 'copy'), 'create') });
  }

  get virtualBytes(): number {
    return this.geometry.virtualBytes;
  }

  /** Bytes of the chunks that no round has sent. */
  get unsentBytes(): number {
    return this.#unsent.count * this.geometry.chunkBytes;
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    for (const { chunk, at, length } of this.#parts(offset, into.length)) {
      const part = into.subarray(at - offset, at - offset + length);
      part.fill(0, this.#inFile.has(chunk) ? await this.#file.read(part, at) : 0);
    }
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    await this.#noting(offset, bytes.length, async () => {
      await this.#assertRoom(bytes.length);
      for (const { chunk, isWhole } of this.#edges(offset, bytes.length)) {
        if (!isWhole && !this.#inFile.has(chunk)) await this.#zero(chunk * this.geometry.chunkBytes, chunk);
      }
      await this.#file.write(bytes, offset);
      const { first, count } = this.#chunks(offset, bytes.length);
      this.#inFile.add(first, count);
    });
  }

  async writeZeros(offset: number, length: number): Promise<void> {
    await this.#noting(offset, length, async () => {
      for (const { chunk, at, length: part, isWhole } of this.#edges(offset, length)) {
        if (!isWhole && this.#inFile.has(chunk)) await this.#file.write(Buffer.alloc(part), at);
      }
      const from = Math.ceil(offset / this.geometry.chunkBytes);
      const isToEnd = offset + length === this.virtualBytes;
      const to = isToEnd ? this.geometry.chunks : Math.floor((offset + length) / this.geometry.chunkBytes);
      this.#inFile.remove(from, Math.max(0, to - from));
    });
  }

  /** The segments of which something is to be sent, ascending. */
  segments(): number[] {
    return this.#unsent.segments();
  }

  /**
   * What is to be sent of a segment, ascending, as it is by now: what is written to it from now on is for the next round.
   * It comes back with `giveBack`.
   */
  *take(segment: number): Generator<Extent> {
    for (const chunk of this.#unsent.moveTo(this.#taken, segment)) {
      const state = this.#inFile.has(chunk) ? 'data' : 'zero';
      yield { offset: chunk * this.geometry.chunkBytes, length: chunkLength(this.geometry, chunk), state };
    }
  }

  /** What was taken is sent. */
  forget(): void {
    this.#taken.clear();
  }

  /** What was taken is not sent. */
  giveBack(): void {
    for (const segment of this.#taken.segments()) this.#taken.moveTo(this.#unsent, segment);
  }

  /** Where a scan finds the bytes of a range. */
  pieces(offset: number, length: number): Piece[] {
    return [{ at: offset, length, kind: 'file', fd: this.#file.fd, offset }];
  }

  /** Removes the file. Nobody may read or write any more. */
  async remove(): Promise<void> {
    await this.#done;
    await this.#file.close();
    await this.#room.files.remove(this.#folder);
  }

  /** Chunks count as written once they are. A write that fails may have changed some. */
  async #noting(offset: number, length: number, work: () => Promise<void>): Promise<void> {
    // One after the other: what fills up a chunk must not come over what another writes to it.
    const done = this.#done.then(work);
    this.#done = done.catch(() => undefined);
    try {
      await done;
    } catch (error) {
      this.failure ??= error;
      throw error;
    } finally {
      const { first, count } = this.#chunks(offset, length);
      this.#unsent.add(first, count);
      this.frontier = Math.max(this.frontier, offset + length);
      this.arrived.ring();
    }
  }

  /** The guest's own disk may lie in the same file system: a copy that fills it would stop the guest. */
  async #assertRoom(bytes: number): Promise<void> {
    this.#unlooked += bytes;
    if (this.#unlooked < limits.mirror_look_bytes) return;
    this.#unlooked = 0;
    const { files, folder } = this.#room;
    const isScarce = (await files.freeBytes(folder)) < limits.mirror_free_bytes_min;
    if (isScarce) throw await diskFull({ ...this.#room, bytes: limits.mirror_free_bytes_min });
  }

  async #zero(at: number, chunk: number): Promise<void> {
    await this.#file.write(Buffer.alloc(chunkLength(this.geometry, chunk)), at);
    this.#inFile.add(chunk, 1);
  }

  #chunks(offset: number, length: number): { first: number; count: number } {
    const first = Math.floor(offset / this.geometry.chunkBytes);
    return { first, count: Math.ceil((offset + length) / this.geometry.chunkBytes) - first };
  }

  /** The parts of the first and the last chunk of a range. */
  *#edges(offset: number, length: number) {
    const { first, count } = this.#chunks(offset, length);
    yield this.#part(first, offset, length);
    if (count > 1) yield this.#part(first + count - 1, offset, length);
  }

  *#parts(offset: number, length: number) {
    const { first, count } = this.#chunks(offset, length);
    for (let chunk = first; chunk < first + count; chunk++) yield this.#part(chunk, offset, length);
  }

  #part(chunk: number, offset: number, length: number) {
    const start = chunk * this.geometry.chunkBytes;
    const at = Math.max(offset, start);
    const end = Math.min(offset + length, start + this.geometry.chunkBytes);
    return { chunk, at, length: end - at, isWhole: end - at === chunkLength(this.geometry, chunk) };
  }
}
