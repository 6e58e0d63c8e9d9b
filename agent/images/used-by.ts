import type { Files } from '../../core/files.ts';
import { backingPath, dataFilePath } from '../disk/backing.ts';
import { PROBE_BYTES, startsAsQcow2 } from '../disk/format.ts';
import { readNames } from '../disk/header-names.ts';
import { HostFile } from '../disk/host-file.ts';

/**
 * The files that the image at `path` names, links resolved: the one it is based on and the one that has its data. Those
 * that it can't have are left out: who migrates that image hears why.
 */
export async function usedBy(files: Files, path: string): Promise<string[]> {
  const named = await attempt(() => namesIn(files, path));
  const used: string[] = [];
  for (const [name, pathOf] of [
    [named?.backing?.name, backingPath],
    [named?.dataFile, dataFilePath],
  ] as const) {
    const found = name === undefined ? undefined : await attempt(() => files.resolve(pathOf(path, name)));
    if (found !== undefined) used.push(found);
  }
  return used;
}

async function namesIn(files: Files, path: string) {
  const file = await HostFile.openToRead(path, files);
  try {
    const start = Buffer.alloc(PROBE_BYTES);
    await file.read(start, 0);
    return startsAsQcow2(start) ? await readNames(file, (await file.stat()).bytes) : undefined;
  } finally {
    await file.close();
  }
}

async function attempt<T>(run: () => Promise<T>): Promise<T | undefined> {
  try {
    return await run();
  } catch {
    return undefined;
  }
}
