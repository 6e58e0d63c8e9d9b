import { extname } from 'node:path';
import { limits } from '../../core/limits.ts';
import { PARTIAL } from './find.ts';

const FILE_NAME_BYTES_MAX = 255;

/**
 * The names that an arriving file may get, best first: its own; with the first 8 hex digits of the migration's id
 * before the ending; then with a number after that. Stems are cut so that `.partial` still fits.
 */
export function* arrivalNames(name: string, migration: string): Generator<string> {
  yield withSuffix(name, '');
  const suffix = `-${migration.slice(1, 9)}`;
  yield withSuffix(name, suffix);
  for (let again = 2; again <= limits.arrival_names_max; again++) yield withSuffix(name, `${suffix}-${again}`);
}

function withSuffix(name: string, suffix: string): string {
  const ending = extname(name);
  const room = FILE_NAME_BYTES_MAX - Buffer.byteLength(suffix + ending + PARTIAL);
  let stem = name.slice(0, name.length - ending.length);
  while (Buffer.byteLength(stem) > room) stem = stem.slice(0, -1);
  return stem + suffix + ending;
}
