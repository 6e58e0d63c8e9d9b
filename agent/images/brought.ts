import { dirname } from 'node:path';
import * as z from 'zod';
import { count, digest, migrationId } from '../../core/api/names.ts';
import type { Files } from '../../core/files.ts';
import type { Catalog } from '../catalog/catalog.ts';
import { RecordFolder } from '../catalog/record-folder.ts';
import { type Arrivals, type Arrived, recordName } from './arrivals.ts';
import type { ImageFolder } from './image-folder.ts';

/** A base layer that was brought here by a migration, or found by another, as long as nobody knows how those ended. */
const broughtLayer = z.object({
  layerId: digest,
  path: z.string(),
  chunkBytes: count,
  migrations: z.array(migrationId).min(1),
});
export type BroughtLayer = z.infer<typeof broughtLayer>;

interface Host {
  readonly files: Files;
  readonly catalog: Catalog;
  readonly arrivals: Arrivals;
  readonly images: ImageFolder;
}

/**
 * Base layers have their names before their VMs are here, for other files name them; so a migration that is aborted
 * would leave them behind. These records tell which layers go again then. Until that is settled the host does not
 * announce them: nobody else may count on them.
 */
export class Brought {
  readonly #records: RecordFolder<BroughtLayer>;
  readonly #host: Host;

  private constructor(records: RecordFolder<BroughtLayer>, host: Host) {
    this.#records = records;
    this.#host = host;
  }

  static async open(folder: string, host: Host): Promise<Brought> {
    return new Brought(await RecordFolder.open(host.files, folder, broughtLayer), host);
  }

  /** To be noted before the file gets its name. Two migrations that come at once bring a file each. May be repeated. */
  async note({ migration, path, layer: { layerId, chunkBytes } }: Arrived): Promise<void> {
    const known = this.#records.get(recordName(path));
    if (known?.layerId === layerId && known.migrations.includes(migration)) return;
    await this.#records.put(recordName(path), { layerId, path, chunkBytes, migrations: [migration] });
  }

  /** Another migration found the layer here, and may lie on any of its files. One that is settled needs no note. */
  async share(layerId: string, migration: string): Promise<void> {
    for (const [name, known] of this.#records.all()) {
      if (known.layerId !== layerId || known.migrations.includes(migration)) continue;
      await this.#records.put(name, { ...known, migrations: [...known.migrations, migration] });
    }
  }

  has(layerId: string): boolean {
    return this.all().some((known) => known.layerId === layerId);
  }

  all(): BroughtLayer[] {
    return this.#records.all().map(([, layer]) => layer);
  }

  /** The layer is the host's like any other. */
  keep({ path }: BroughtLayer): Promise<void> {
    return this.#records.remove(recordName(path));
  }

  /**
   * Removes the layer's file, unless it has changed; answers false, and changes nothing, as long as another image names
   * it: of several layers the one on top goes first.
   */
  async takeBack(layer: BroughtLayer): Promise<boolean> {
    const { path, chunkBytes, layerId } = layer;
    const { files, catalog, arrivals, images } = this.#host;
    const coming = [...arrivals.waiting().flatMap(({ disks }) => disks), ...arrivals.unplaced()];
    if (coming.some(({ layer }) => layer.below === path) || (await images.isUsed(path))) return false;
    if ((await catalog.lookup(path, chunkBytes))?.layerId === layerId) {
      await files.remove(path);
      await files.syncFolder(dirname(path));
    }
    await this.keep(layer);
    return true;
  }
}
