import { randomUUID } from 'node:crypto';
import { createWriteStream, mkdirSync, rmSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { FolderSync } from './folder-sync.ts';
import { S3_LIMITS } from './limits.ts';
import { encodeRecord, type ObjectRecord } from './object-file.ts';
import { ObjectTree } from './object-tree.ts';
import { Room } from './room.ts';

const BUCKET_NAME = /^(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;

export interface Bucket {
  readonly name: string;
  readonly objects: ObjectTree;
  /** What multipart uploads have brought so far (uploads.ts). */
  readonly uploads: ObjectTree;
}

/**
 * A data folder: `buckets/<name>/`, `uploads/<name>/`, and `staging/`, where files are written before a rename publishes
 * them. One process at a time may use it.
 */
export class Store {
  readonly #buckets: ReadonlyMap<string, Bucket>;
  readonly #staging: string;
  readonly #room: Room;

  /** Makes the folders and sweeps what a crash left in staging. */
  constructor(dir: string, bucketNames: readonly string[]) {
    const folderSync = new FolderSync();
    this.#staging = join(dir, 'staging');
    rmSync(this.#staging, { recursive: true, force: true });
    mkdirSync(this.#staging, { recursive: true });
    this.#room = new Room(dir);
    this.#buckets = new Map(
      bucketNames.map((name) => {
        if (!BUCKET_NAME.test(name)) throw new TypeError(`not a bucket name: ${name}`);
        const treeIn = (area: string) => new ObjectTree(join(dir, area, name), folderSync);
        return [name, { name, objects: treeIn('buckets'), uploads: treeIn('uploads') }];
      }),
    );
  }

  bucket(name: string): Bucket | undefined {
    return this.#buckets.get(name);
  }

  /**
   * Writes an object file of `size` bytes durably and hands its path to `publish`, which renames it. `finish` is asked for
   * the record once all bytes are written. Whatever fails, nothing is left behind.
   */
  stage(
    { bytes, size }: { readonly bytes: AsyncIterable<Buffer>; readonly size: number },
    finish: () => ObjectRecord,
    publish: (file: string) => Promise<void>,
  ): Promise<ObjectRecord> {
    return this.#room.take(size, async () => {
      const file = join(this.#staging, randomUUID());
      try {
        const record = await writeObjectFile(file, bytes, finish);
        await publish(file);
        return record;
      } catch (error) {
        await rm(file, { force: true });
        throw error;
      }
    });
  }
}

async function writeObjectFile(
  file: string,
  bytes: AsyncIterable<Buffer>,
  finish: () => ObjectRecord,
): Promise<ObjectRecord> {
  let record: ObjectRecord | undefined;
  const out = createWriteStream(file, { flags: 'wx', flush: true, highWaterMark: S3_LIMITS.writeBufferBytes });
  const closed = new Promise<void>((resolve) => void out.once('close', resolve));
  try {
    await pipeline(async function* () {
      yield* bytes;
      record = finish();
      yield encodeRecord(record);
    }, out);
  } finally {
    // A stream destroyed while it opens makes its file after all: who removes it has to come later.
    await closed;
  }
  if (record === undefined) throw new Error('an object file ended without its record');
  return record;
}
