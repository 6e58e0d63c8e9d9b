import { basename, join } from 'node:path';
import * as z from 'zod';
import { checksum } from '../../core/checksum.ts';
import { LayerMoverError } from '../../core/errors.ts';
import type { Files } from '../../core/files.ts';
import { toHex } from '../../core/fingerprint.ts';
import { refuse } from '../../core/format/bytes.ts';
import { OneByOne } from '../flow/one-by-one.ts';
import { writeDurably } from './durable.ts';

export const RECORD_ENDING = '.json';

/**
 * Small records by name, one JSON file each, held in memory as well. A change is durable when its promise is
 * fulfilled. One process at a time may open a folder (daemon/lock.ts).
 */
export class RecordFolder<T> {
  readonly #files: Files;
  readonly #folder: string;
  readonly #records = new Map<string, T>();
  readonly #changes = new OneByOne();

  private constructor(files: Files, folder: string) {
    this.#files = files;
    this.#folder = folder;
  }

  /** Opens or makes the folder and reads it. Errors: STATE_CORRUPT for a file that is none of ours. */
  static async open<T>(files: Files, folder: string, schema: z.ZodType<T>): Promise<RecordFolder<T>> {
    await files.makeFolder(folder);
    // What an earlier run removed or renamed last may not be on disk yet, and from here on counts as done.
    await files.syncFolder(folder);
    const records = new RecordFolder<T>(files, folder);
    for (const { name: file } of await files.list(folder)) {
      const path = join(folder, file);
      if (!file.endsWith(RECORD_ENDING)) await files.remove(path);
      else records.#records.set(basename(file, RECORD_ENDING), await readRecord(files, path, schema));
    }
    return records;
  }

  get(name: string): T | undefined {
    return this.#records.get(name);
  }

  all(): [name: string, record: T][] {
    return [...this.#records];
  }

  put(name: string, record: T): Promise<void> {
    return this.#changes.do(async () => {
      await writeRecord(this.#files, this.#path(name), record);
      this.#records.set(name, record);
    });
  }

  /** An absent record is no error. With `only`, another record that has taken its place stays. */
  remove(name: string, only?: T): Promise<void> {
    return this.#changes.do(async () => {
      if (only !== undefined && this.#records.get(name) !== only) return;
      this.#records.delete(name);
      await this.#files.remove(this.#path(name));
      await this.#files.syncFolder(this.#folder);
    });
  }

  #path(name: string): string {
    return join(this.#folder, name + RECORD_ENDING);
  }
}

/** A record as its file has it. A flipped bit, or another record's file, may be JSON that is as good: the checksum tells. */
const sealed = z.object({ record: z.unknown(), checksum: z.string() });

/** Writes one record's file, durably. */
export async function writeRecord(files: Files, path: string, record: unknown): Promise<void> {
  const seal = { record, checksum: checksumOf(basename(path, RECORD_ENDING), record) };
  await writeDurably(files, path, Buffer.from(`${JSON.stringify(seal, null, 2)}\n`));
}

/** Errors: STATE_CORRUPT, and what the system refuses. */
export async function readRecord<T>(files: Files, path: string, schema: z.ZodType<T>): Promise<T> {
  return parse(path, `${await files.readFile(path)}`, schema);
}

function checksumOf(name: string, record: unknown): string {
  return toHex(checksum(Buffer.from(`${name}\n${JSON.stringify(record)}`)));
}

function parse<T>(path: string, text: string, schema: z.ZodType<T>): T {
  try {
    const { record, checksum: stored } = sealed.parse(JSON.parse(text));
    if (checksumOf(basename(path, RECORD_ENDING), record) !== stored)
      throw refuse('record', 'differs from its checksum');
    return schema.parse(record);
  } catch (cause) {
    throw new LayerMoverError('STATE_CORRUPT', `${path} is not what the agent wrote`, {
      hint: 'restore it from a copy; or remove it, then look for *.partial files that nobody completes any more',
      data: { path },
      cause,
    });
  }
}
