import * as z from 'zod';
import { systemFiles } from '../../adapters/system/files.ts';
import { count, digest, fileName, migrationId } from '../../core/api/names.ts';
import { container } from '../../core/api/tasks.ts';
import type { Files } from '../../core/files.ts';
import { sha256, toHex } from '../../core/fingerprint.ts';
import { KINDS } from '../../core/kinds.ts';
import { type FileIdentity, fileIdentity, identityOf, sameFile } from './identity.ts';
import { RecordFolder } from './record-folder.ts';

/** What the host knows of a layer whose file it has read from end to end. Its manifest lies in the manifest store. */
export const knownLayer = z.object({
  layerId: digest,
  /** Absolute, links resolved. */
  path: z.string(),
  chunkBytes: count,
  /** A base is never written again; a top belongs to one VM, which may write to it. */
  role: z.enum(['base', 'top']),
  kind: z.enum(KINDS),
  name: fileName,
  parent: digest.nullable(),
  /** The parent's file; null for a bottom layer. */
  below: z.string().nullable(),
  virtualBytes: count,
  dataBytes: count,
  container,
  /** The migration for which the file was read. */
  migration: migrationId,
  /** When the last whole read of it began. */
  scannedMs: count.optional(),
  /** It was found to hold something else, although its file looks as it did. */
  changed: z.literal(true).optional(),
  identity: fileIdentity,
  /** The file that has its data, if that is not the image itself. */
  dataFile: z.object({ path: z.string(), identity: fileIdentity }).optional(),
});
export type KnownLayer = z.infer<typeof knownLayer>;

/**
 * The layers that are known here, by file and chunk size. An answer holds only as long as neither the file nor any
 * file below it has changed: that is asked of the file system each time and costs no read of their data.
 */
export class Catalog {
  readonly #files: Files;
  readonly #records: RecordFolder<KnownLayer>;

  private constructor(files: Files, records: RecordFolder<KnownLayer>) {
    this.#files = files;
    this.#records = records;
  }

  static async open(folder: string, files: Files = systemFiles): Promise<Catalog> {
    return new Catalog(files, await RecordFolder.open(files, folder, knownLayer));
  }

  async put(layer: KnownLayer): Promise<void> {
    await this.#records.put(recordName(layer.path, layer.chunkBytes), layer);
  }

  /** The layer in the file at `path`; undefined if it was never read or has changed since. */
  async lookup(path: string, chunkBytes: number): Promise<KnownLayer | undefined> {
    const layer = this.#records.get(recordName(path, chunkBytes));
    return layer !== undefined && (await this.#holds(layer)) ? layer : undefined;
  }

  /** A base that holds this content, unchanged. */
  async byLayer(layerId: string): Promise<KnownLayer | undefined> {
    for (const [, layer] of this.#records.all()) {
      if (layer.layerId === layerId && layer.role === 'base' && (await this.#holds(layer))) return layer;
    }
    return undefined;
  }

  /** Bases that are here, unchanged: a layer may lie in several files. */
  async files(): Promise<KnownLayer[]> {
    const looked = new Map<KnownLayer, boolean>();
    const held: KnownLayer[] = [];
    for (const [, layer] of this.#records.all())
      if (layer.role === 'base' && (await this.#holds(layer, looked))) held.push(layer);
    return held;
  }

  /** Of all layers that are known, changed or not. */
  layerIds(): Set<string> {
    return new Set(this.#records.all().map(([, { layerId }]) => layerId));
  }

  /** Ids of the bases that are here, unchanged, and of those that are not any more until `forget` is called; each once. */
  async bases(): Promise<{ readonly held: readonly string[]; readonly lost: readonly string[] }> {
    const held = new Set((await this.files()).map(({ layerId }) => layerId));
    const known = this.#records.all().flatMap(([, { role, layerId }]) => (role === 'base' ? [layerId] : []));
    return { held: [...held].sort(), lost: [...new Set(known.filter((id) => !held.has(id)))].sort() };
  }

  /** Forgets what has changed or gone: whoever relied on the host to have it has heard. */
  async forget(): Promise<void> {
    const looked = new Map<KnownLayer, boolean>();
    for (const [name, layer] of this.#records.all())
      if (!(await this.#holds(layer, looked))) await this.#records.remove(name, layer);
  }

  /** Notes what another whole read of a layer has found, unless the layer was read or written anew meanwhile. */
  async reread(layer: KnownLayer, found: Pick<KnownLayer, 'scannedMs' | 'changed'>): Promise<void> {
    const name = recordName(layer.path, layer.chunkBytes);
    if (this.#records.get(name) === layer) await this.#records.put(name, { ...layer, ...found });
  }

  /** Files that are known as bases, changed or not. */
  basePaths(): Set<string> {
    const bases = this.#records.all().flatMap(([, layer]) => (layer.role === 'base' ? filesOf(layer) : []));
    return new Set(bases.map(({ path }) => path));
  }

  /** `looked` spares a look at many layers what they have in common: the files below them. */
  async #holds(layer: KnownLayer, looked = new Map<KnownLayer, boolean>()): Promise<boolean> {
    const holds = looked.get(layer) ?? ((await this.#isUnchanged(layer)) && (await this.#isOnItsParent(layer, looked)));
    looked.set(layer, holds);
    return holds;
  }

  async #isUnchanged(layer: KnownLayer): Promise<boolean> {
    if (layer.changed) return false;
    for (const { path, identity } of filesOf(layer)) {
      if (!sameFile(identity, await identityOf(this.#files, path))) return false;
    }
    return true;
  }

  async #isOnItsParent({ below, parent, chunkBytes }: KnownLayer, looked: Map<KnownLayer, boolean>): Promise<boolean> {
    if (below === null) return true;
    const layer = this.#records.get(recordName(below, chunkBytes));
    return layer !== undefined && layer.layerId === parent && (await this.#holds(layer, looked));
  }
}

function filesOf({ path, identity, dataFile }: KnownLayer): { path: string; identity: FileIdentity }[] {
  return [{ path, identity }, ...(dataFile === undefined ? [] : [dataFile])];
}

function recordName(path: string, chunkBytes: number): string {
  return toHex(sha256(Buffer.from(`${chunkBytes}\n${path}`))).slice(0, 32);
}
