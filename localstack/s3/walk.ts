import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Entry, entryOf, isBelow, placeOf } from './layout.ts';

/** Where a walk stands: it passes over all keys below `from`, and whoever consumes it may move that on. Byte strings. */
export interface Cursor {
  from: string;
}

/** The least byte string above all that begin with `prefix`; no byte of UTF-8 is 0xff, so the last can be raised. */
export function afterPrefix(prefix: string): string {
  const last = prefix.length - 1;
  return prefix.slice(0, last) + String.fromCharCode(prefix.charCodeAt(last) + 1);
}

/** The keys of a tree that begin with `prefix`, in byte order. Holds the names of one folder a level. */
export async function* walkKeys(root: string, prefix: string, cursor: Cursor): AsyncGenerator<string> {
  const { folders, base, name } = placeOf(prefix);
  yield* walkFolder(join(root, ...folders), base, name, cursor);
}

async function* walkFolder(folder: string, base: string, begin: string, cursor: Cursor): AsyncGenerator<string> {
  const names = (await namesIn(folder)).filter((name) => isBelow(name, begin));
  const entries = names.map(entryOf).filter((entry) => !isPassed(base, entry, cursor));
  entries.sort((a, b) => (a.text < b.text ? -1 : 1));
  for (const entry of entries) {
    if (isPassed(base, entry, cursor)) continue;
    if (entry.isObject) yield base + entry.text;
    else yield* walkFolder(join(folder, entry.name), base + entry.text, '', cursor);
  }
}

/** True if the entry, and all below it if it is a folder, lies before the cursor. */
function isPassed(base: string, { isObject, text }: Entry, { from }: Cursor): boolean {
  const bytes = base + text;
  return bytes < from && (isObject || !from.startsWith(bytes));
}

/** A folder may be gone by the time the walk comes to it: then it has no keys. */
async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
