import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

const root = path.resolve(import.meta.dirname, '../..');

/** The text of every TypeScript file below these folders, by path. */
export function sources(...folders: readonly string[]): Map<string, string> {
  const names = folders.flatMap((folder) =>
    readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' }).map((name) => path.join(folder, name)),
  );
  const files = names.filter((name) => name.endsWith('.ts'));
  return new Map(files.map((name) => [name, readFileSync(path.join(root, name), 'utf8')]));
}

/** The files that name something, by itself or as a part of something. */
export function usersOf(files: ReadonlyMap<string, string>, name: string): string[] {
  const use = new RegExp(`\\b${name}\\b`);
  return [...files].flatMap(([file, text]) => (use.test(text) ? [file] : []));
}
