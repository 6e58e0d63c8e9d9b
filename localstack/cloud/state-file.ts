import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import type * as z from 'zod';
import { CloudError } from '../errors.ts';

/** The content of a small JSON file in the data directory, or undefined if it is not there yet. */
export function readState<T extends z.ZodType>(path: string, schema: T): z.output<T> | undefined {
  try {
    return schema.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch (error) {
    if ((error as { code?: string }).code === 'ENOENT') return undefined;
    throw new CloudError('DATA_DIR_INVALID', `cannot read ${path}`, 'Mend or remove the file.', error);
  }
}

/** Replaces the file as a whole; only its owner may read it. */
export function writeState(path: string, content: unknown): void {
  const temporary = `${path}.new`;
  writeFileSync(temporary, `${JSON.stringify(content, null, 2)}\n`, { mode: 0o600, flush: true });
  renameSync(temporary, path);
}
