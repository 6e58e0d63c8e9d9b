import { randomBytes } from 'node:crypto';
import { access, constants, open, realpath, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { LayerMoverError } from '../../core/errors.ts';
import { usage } from '../exit-codes.ts';
import { REPORT_MARK } from './page.ts';

/**
 * The place that a report will have, looked at before the work begins, whose outcome it tells: its folder can be written
 * to, and nothing is lost there but an older report, which begins with `mark`. `force` lets any file go. Throws USAGE or REPORT_FILE_TAKEN.
 */
export async function reportPlace(file: string, options: { force?: boolean; mark?: string } = {}): Promise<string> {
  const place = await realpath(file).catch(() => path.resolve(file));
  const folder = path.dirname(place);
  await access(folder, constants.W_OK).catch(() => {
    throw usage(`${folder} is no folder that a report could be written to`, 'make it, or name another file');
  });
  const there = await stat(place).catch(() => undefined);
  if (there === undefined) return place;
  if (!there.isFile()) throw usage(`${file} is no plain file`, 'name the file itself, for instance report.html');
  if (!options.force && there.size > 0 && !(await beginsWith(place, options.mark ?? REPORT_MARK))) throw taken(file);
  return place;
}

async function beginsWith(file: string, mark: string): Promise<boolean> {
  const handle = await open(file, 'r');
  try {
    const start = Buffer.alloc(mark.length);
    const { bytesRead } = await handle.read(start, 0, start.length, 0);
    return start.toString('utf8', 0, bytesRead) === mark;
  } finally {
    await handle.close();
  }
}

function taken(file: string): LayerMoverError {
  return new LayerMoverError('REPORT_FILE_TAKEN', `${file} is there and is no report`, {
    hint: 'name another file, or move that one away; `layermover report --force` replaces it',
    data: { file },
  });
}

/** Writes a report in one step: there is the old one or the new one, never a part. */
export async function writeReport(place: string, page: string): Promise<void> {
  const draft = `${place}.${randomBytes(4).toString('hex')}.new`;
  try {
    const handle = await open(draft, 'wx');
    try {
      await handle.writeFile(page);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(draft, place);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
}
