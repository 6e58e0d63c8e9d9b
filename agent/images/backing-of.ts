import { realpath } from 'node:fs/promises';
import { backingPath } from '../disk/backing.ts';
import { formatOf, PROBE_BYTES } from '../disk/format.ts';
import { readHeader } from '../disk/header.ts';
import { HostFile } from '../disk/host-file.ts';

/**
 * The file that the image at `path` is directly based on, links resolved; undefined if it is based on none, or can't
 * be read: who migrates that image hears why.
 */
export async function backingOf(path: string): Promise<string | undefined> {
  try {
    const name = await backingName(path);
    return name === undefined ? undefined : await realpath(backingPath(path, name));
  } catch {
    return undefined;
  }
}

async function backingName(path: string): Promise<string | undefined> {
  const file = await HostFile.openToRead(path);
  try {
    const start = Buffer.alloc(PROBE_BYTES);
    const format = formatOf(path, start.subarray(0, await file.read(start, 0)), undefined);
    return format === 'raw' ? undefined : (await readHeader(file, (await file.stat()).size)).backing?.name;
  } finally {
    await file.close();
  }
}
