import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createMemoryFingerprintIndex } from '../../../adapters/memory/fingerprint-index.ts';
import { createMemoryIdleMarks } from '../../../adapters/memory/idle-marks.ts';
import { limitStore, Rate } from '../../../adapters/rate.ts';
import { systemClock } from '../../../adapters/system/clock.ts';
import type { PullSource } from '../../../agent/pull/port.ts';
import type { PushSink } from '../../../agent/push/port.ts';
import { namespaceScope, objectKey } from '../../../core/format/keys.ts';
import { limits } from '../../../core/limits.ts';
import type { ObjectStore } from '../../../core/ports.ts';
import { findAll, framesOf } from '../../../functions/fingerprints/answer-batch.ts';
import { addRows } from '../../../functions/packs/add-rows.ts';
import { contentsOf, packsFor } from '../../../functions/packs/find-packs.ts';
import { FooterCache } from '../../../functions/packs/footer-cache.ts';
import { createFolderObjects } from './folder-objects.ts';

const NAMESPACE = 'default';
const SCOPE = namespaceScope(NAMESPACE);

export interface StoreOptions {
  readonly folder: string;
  /** One fingerprint in so many has an index row. */
  readonly sampling?: number | undefined;
  /** Unlimited unless set. */
  readonly bytesPerSecond?: number | undefined;
}

/**
 * A namespace's objects in a folder, and its index in this process, with the functions' own code between them: what the
 * cloud is to an agent, without HTTP. The index's rows lie in the folder, too, when they are saved.
 */
export class LocalStore {
  readonly objects: ObjectStore;
  readonly #index = createMemoryFingerprintIndex();
  readonly #deps;
  readonly #rows: string;

  private constructor({ folder, sampling = limits.index_sampling_default, bytesPerSecond }: StoreOptions) {
    const objects = createFolderObjects(join(folder, 'objects'));
    this.#rows = join(folder, 'index.rows');
    this.objects =
      bytesPerSecond === undefined
        ? objects
        : limitStore(objects, new Rate(bytesPerSecond, systemClock), new AbortController().signal);
    const footers = new FooterCache(limits.footer_cache_bytes);
    this.#deps = { objects, index: this.#index, idle: createMemoryIdleMarks(), clock: systemClock, sampling, footers };
  }

  static async open(options: StoreOptions): Promise<LocalStore> {
    const store = new LocalStore(options);
    const bytes = existsSync(store.#rows) ? readFileSync(store.#rows) : Buffer.alloc(0);
    for (let at = 0; at < bytes.length; at += 64) {
      const [hook, pack] = [bytes.toString('hex', at, at + 32), bytes.toString('hex', at + 32, at + 64)];
      await store.#index.add(NAMESPACE, [hook], pack);
    }
    return store;
  }

  async save(): Promise<void> {
    const rows = await this.#index.rows(NAMESPACE, 0, 1);
    writeFileSync(this.#rows, Buffer.concat([...rows].map((row) => Buffer.from(row.join(''), 'hex'))));
  }

  /** Rounds go nowhere: nobody follows them. */
  sink(): PushSink {
    const { objects } = this;
    const deps = this.#deps;
    return {
      async check(fingerprints) {
        const batch = Buffer.from(fingerprints);
        const packs = (await packsFor(deps, NAMESPACE, batch)).slice(0, limits.batch_footers_max);
        const contents = await contentsOf(deps, NAMESPACE, packs);
        const places = findAll(batch, [...contents.values()]);
        const numbers = framesOf(places);
        const answers = places.map((place) => {
          if (place === undefined) return { status: 'missing' } as const;
          return { status: 'have', frame: numbers.get(place.frame)!, rawOffset: place.rawOffset } as const;
        });
        return { answers, frames: [...numbers.keys()], claimedUntilMs: 0 };
      },
      put: (kind, id, parts) => objects.put(objectKey(SCOPE, kind, id), parts),
      announce: async (packs) => void (await addRows(deps, NAMESPACE, packs)),
      commit: async () => undefined,
    };
  }

  source(): PullSource {
    const { objects } = this;
    return {
      root: (id) => objects.get(objectKey(SCOPE, 'layers', id), { bytesMax: limits.root_bytes_max }),
      segment: (id) => objects.get(objectKey(SCOPE, 'segments', id), { bytesMax: limits.segment_bytes_max }),
      placement: (id) => objects.get(objectKey(SCOPE, 'placements', id), { bytesMax: limits.placement_bytes_max }),
      range: (_, pack, offset, length) => objects.get(objectKey(SCOPE, 'packs', pack), { offset, length }),
    };
  }
}
