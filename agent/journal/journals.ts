import { join } from 'node:path';
import { errorToJson } from '../../core/errors.ts';
import type { Files } from '../../core/files.ts';
import { DIGEST_BYTES, sha256, toHex } from '../../core/fingerprint.ts';
import { limits } from '../../core/limits.ts';
import type { Clock } from '../../core/ports.ts';
import type { Log } from '../daemon/log.ts';
import { beganMsOf, HEADER_BYTES, type JournalOf, NOTHING_SPENT, readJournal, type Told } from './format.ts';
import { PushJournal } from './push-journal.ts';

const ENDING = '.journal';

/** The journals of this host's pushes, a file a stream of a migration, kept from attempt to attempt until its task is done. */
export class Journals {
  readonly #folder: string;
  readonly #files: Files;
  readonly #clock: Clock;
  readonly #log: Log;

  constructor(folder: string, options: { files: Files; clock: Clock; log: Log }) {
    this.#folder = folder;
    this.#files = options.files;
    this.#clock = options.clock;
    this.#log = options.log;
  }

  /** The journal of a push, with what earlier attempts noted. One that is damaged or another push's counts for nothing. */
  async open(of: JournalOf): Promise<PushJournal> {
    const path = this.#path(of.migration, of.stream);
    await this.#quietly(() => this.#files.makeFolder(this.#folder));
    await this.#removeIf((ms) => ms !== undefined && isOver(this.#clock, ms));
    const told = (await this.#quietly(() => this.#read(path, of))) ?? this.#nothing(of);
    return PushJournal.begin(this.#files, path, this.#log, of, told);
  }

  /** The push is done for good. */
  async forget(migration: string, stream: string): Promise<void> {
    await this.#quietly(() => this.#files.remove(this.#path(migration, stream)));
  }

  /** The migrations of which there are journals. */
  async migrations(): Promise<string[]> {
    const names = await this.#names();
    return [...new Set(names.map((name) => name.slice(0, name.indexOf('.'))))];
  }

  /** A migration is over. */
  async forgetAll(migration: string): Promise<void> {
    for (const name of await this.#names()) {
      if (name.startsWith(`${migration}.`)) await this.#quietly(() => this.#files.remove(join(this.#folder, name)));
    }
  }

  /**
   * Removes what no attempt can go on with: what tells of objects that the store has expired, and what is no journal. No push may
   * be running: what it is about to make a journal of would go, too.
   */
  async sweep(): Promise<void> {
    await this.#removeIf((ms) => ms === undefined || isOver(this.#clock, ms));
  }

  /** `rule` is told when a journal was begun, and nothing of a file that is none. */
  async #removeIf(rule: (beganMs: number | undefined) => boolean): Promise<void> {
    await this.#quietly(async () => {
      if (!this.#files.exists(this.#folder)) return;
      for (const { name } of await this.#files.list(this.#folder)) {
        const path = join(this.#folder, name);
        const beganMs = name.endsWith(ENDING) ? await this.#beganMs(path) : undefined;
        if (rule(beganMs)) await this.#files.remove(path);
      }
    });
  }

  async #names(): Promise<string[]> {
    const names = await this.#quietly(async () => {
      if (!this.#files.exists(this.#folder)) return [];
      return (await this.#files.list(this.#folder)).map(({ name }) => name).filter((name) => name.endsWith(ENDING));
    });
    return names ?? [];
  }

  async #read(path: string, of: JournalOf): Promise<Told | undefined> {
    if (!this.#files.exists(path) || (await this.#files.stat(path)).bytes > limits.journal_bytes_max) return undefined;
    return readJournal(await this.#files.readFile(path), of);
  }

  #nothing({ geometry }: JournalOf): Told {
    return {
      beganMs: this.#clock.nowMs(),
      ids: Buffer.alloc(geometry.segments * DIGEST_BYTES),
      spent: NOTHING_SPENT,
    };
  }

  async #beganMs(path: string): Promise<number | undefined> {
    const file = await this.#files.open(path, 'read');
    try {
      const header = Buffer.alloc(HEADER_BYTES);
      return beganMsOf(header.subarray(0, await file.read(header, 0)));
    } finally {
      await file.close();
    }
  }

  #path(migration: string, stream: string): string {
    return join(this.#folder, `${migration}.${toHex(sha256(Buffer.from(stream))).slice(0, 32)}${ENDING}`);
  }

  /** Journals only save work: no push fails for one. */
  async #quietly<T>(work: () => Promise<T>): Promise<T | undefined> {
    return work().catch((error: unknown) => {
      this.#log.warn({ folder: this.#folder, error: errorToJson(error) }, 'a journal can’t be read or removed');
      return undefined;
    });
  }
}

function isOver(clock: Clock, beganMs: number): boolean {
  return clock.nowMs() - beganMs > limits.left_over_days * 24 * 3_600_000;
}
