import { readdirSync, statSync } from 'node:fs';
import path from 'node:path';

/** Real files of this machine: what the demo's layers are made of. */
export interface MachineFile {
  readonly path: string;
  readonly bytes: number;
}

const SMALLEST = 16 * 1024;
const LARGEST = 6 * 1024 * 1024;
const MAX_DEPTH = 5;

/** Up to `budget` bytes of readable regular files below `folders`, each file once, none of `taken`. Order is that of names. */
export function machineFiles(
  folders: readonly string[],
  budget: number,
  taken: ReadonlySet<string> = new Set(),
): MachineFile[] {
  const found: MachineFile[] = [];
  let left = budget;
  for (const file of folders.flatMap((folder) => [...walk(folder, 0)])) {
    if (left < SMALLEST) break;
    if (taken.has(file.path) || file.bytes > left) continue;
    found.push(file);
    left -= file.bytes;
  }
  return found;
}

function* walk(folder: string, depth: number): Generator<MachineFile> {
  let entries: string[];
  try {
    entries = readdirSync(folder).sort();
  } catch {
    return; // not there, or not ours to read
  }
  for (const name of entries) {
    const file = path.join(folder, name);
    const stat = statSync(file, { throwIfNoEntry: false });
    if (stat?.isFile() && stat.size >= SMALLEST && stat.size <= LARGEST && (stat.mode & 0o444) !== 0)
      yield { path: file, bytes: stat.size };
    else if (stat?.isDirectory() && depth < MAX_DEPTH) yield* walk(file, depth + 1);
  }
}
