import { LayerMoverError } from '../../core/errors.ts';
import type { Files } from '../../core/files.ts';
import { HostFile } from './host-file.ts';
import { checkRange } from './image-layer.ts';
import { SECTOR_BYTES } from './limits.ts';
import { Qcow2Sink } from './qcow2-sink.ts';
import { RawSink } from './raw-sink.ts';
import { checkShape, type Qcow2Options } from './shape.ts';
import type { Sink } from './sink.ts';
import { WriteBehind } from './write-behind.ts';

/**
 * A disk image being made. Offsets and lengths are guest bytes, multiples of 512 except at the disk's end. Calls may
 * overlap: they take effect in the order they were made, and the bytes may be reused once the promise is fulfilled.
 * After an error every further call but `discard` fails with it. The file is no valid image before the first
 * `checkpoint` or `finish`, and between them it is what QEMU may open but nobody should read.
 * Errors: DISK_RANGE_INVALID, DISK_FULL, DISK_IO_FAILED, and of reading the layer below.
 */
export interface DiskWriter {
  write(offset: number, bytes: Uint8Array): Promise<void>;
  /** Explicit zeros: they hide what the layer below has there. */
  writeZeros(offset: number, length: number): Promise<void>;
  /**
   * Makes the file a valid image of all that was written up to this call, on disk; writing may go on. The header and what it
   * names stay where they are. What it costs is in proportion to what was written since the last one.
   */
  checkpoint(): Promise<void>;
  /** Completes the image: all of it is on disk (not yet its name in the folder), and the file is closed. */
  finish(): Promise<void>;
  /** Closes and removes the file. */
  discard(): Promise<void>;
}

/**
 * Makes a new qcow2 image at `path`. Version 2 has no explicit zeros: where there is a layer below, zeroed data hides
 * it, else nothing is stored.
 * Errors: DISK_EXISTS, DISK_SHAPE_REFUSED for what qcow2 can't be, BACKING_NAME_REFUSED, and those of opening a file.
 */
export async function createQcow2(path: string, options: Qcow2Options, files?: Files): Promise<DiskWriter> {
  checkShape(path, options);
  const file = await HostFile.create(path, files);
  return new FileWriter(file, new Qcow2Sink(file, options));
}

/** Makes a new raw image at `path`, sparse where nothing but zeros was written. Errors: DISK_EXISTS and those of opening a file. */
export async function createRaw(path: string, options: { virtualBytes: number }, files?: Files): Promise<DiskWriter> {
  const file = await HostFile.create(path, files);
  return new FileWriter(file, new RawSink(file, options.virtualBytes));
}

class FileWriter implements DiskWriter {
  readonly #file: HostFile;
  readonly #disk: { path: string; virtualBytes: number };
  readonly #sink: WriteBehind;
  /** The last call: each waits for the one before and fails if that did. */
  #last: Promise<void> = Promise.resolve();
  #open = true;

  constructor(file: HostFile, sink: Sink) {
    this.#file = file;
    this.#disk = { path: file.path, virtualBytes: sink.virtualBytes };
    this.#sink = new WriteBehind(sink);
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    this.#check(offset, bytes.length);
    await this.#next(() => this.#sink.write(offset, bytes));
  }

  async writeZeros(offset: number, length: number): Promise<void> {
    this.#check(offset, length);
    await this.#next(() => this.#sink.writeZeros(offset, length));
  }

  async checkpoint(): Promise<void> {
    await this.#next(() => this.#sink.checkpoint());
  }

  async finish(): Promise<void> {
    const done = this.#next(() => this.#sink.checkpoint());
    this.#open = false;
    await done;
    await this.#file.close();
  }

  async discard(): Promise<void> {
    this.#open = false;
    await this.#last.catch(() => undefined);
    await this.#file.close();
    await this.#file.files.remove(this.#disk.path);
  }

  #check(offset: number, length: number): void {
    checkRange(this.#disk, offset, length);
    const end = offset + length;
    if (offset % SECTOR_BYTES === 0 && (end % SECTOR_BYTES === 0 || end === this.#disk.virtualBytes)) return;
    throw new LayerMoverError('DISK_RANGE_INVALID', `bytes ${offset} + ${length} are no whole sectors`, {
      data: { path: this.#disk.path, offset, length },
    });
  }

  #next(call: () => Promise<void>): Promise<void> {
    if (!this.#open) {
      const message = `${this.#disk.path} was finished or discarded before`;
      return Promise.reject(new LayerMoverError('DISK_WRITER_CLOSED', message));
    }
    this.#last = this.#last.then(call);
    this.#last.catch(() => undefined);
    return this.#last;
  }
}
