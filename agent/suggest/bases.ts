import { join } from 'node:path';
import { systemFiles } from '../../adapters/system/files.ts';
import { type KnownLayer, knownLayer } from '../catalog/catalog.ts';
import { RECORD_ENDING, readRecord } from '../catalog/record-folder.ts';
import { findImages } from '../images/find.ts';
import { usedBy } from '../images/used-by.ts';

/** Images in a folder that others lie on: nobody writes to them. Errors: those of findImages. */
export async function basesIn(folder: string): Promise<string[]> {
  const images = await findImages(folder);
  const used = new Set<string>();
  for (const image of images) for (const path of await usedBy(systemFiles, image)) used.add(path);
  return images.filter((image) => used.has(image));
}

/** Base layers that an agent with this state folder knows; none if there is no agent. What can't be read is left out. */
export async function knownBases(stateFolder: string): Promise<KnownLayer[]> {
  const folder = join(stateFolder, 'layers');
  const names = await systemFiles.list(folder).catch(() => []);
  const known: KnownLayer[] = [];
  for (const { name } of names.filter((entry) => entry.name.endsWith(RECORD_ENDING))) {
    const record = await readRecord(systemFiles, join(folder, name), knownLayer).catch(() => undefined);
    if (record?.role === 'base' && systemFiles.exists(record.path)) known.push(record);
  }
  return known;
}
