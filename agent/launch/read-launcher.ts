import { systemFiles } from '../../adapters/system/files.ts';
import { LayerMoverError } from '../../core/errors.ts';
import type { Files } from '../../core/files.ts';
import { limits } from '../../core/limits.ts';
import { parseAddress } from './address.ts';
import type { LauncherOptions } from './launcher.ts';
import { parseLauncher } from './template.ts';

/**
 * Reads a host's launcher file, and the address that guests' memory comes to. Errors: LAUNCHER_INVALID,
 * MIGRATION_ADDRESS_INVALID.
 */
export async function readLauncher(
  path: string,
  address?: string,
  files: Files = systemFiles,
): Promise<LauncherOptions> {
  const file = parseLauncher(path, await read(files, path));
  return { path, file, ...(address === undefined ? {} : { address: parseAddress(address) }) };
}

async function read(files: Files, path: string): Promise<string> {
  try {
    const { bytes } = await files.stat(path);
    if (bytes <= limits.launcher_bytes_max) return `${await files.readFile(path)}`;
  } catch (cause) {
    throw unreadable(path, 'it can’t be read', cause);
  }
  throw unreadable(path, `it is longer than ${limits.launcher_bytes_max} bytes`);
}

function unreadable(path: string, why: string, cause?: unknown): LayerMoverError {
  return new LayerMoverError('LAUNCHER_INVALID', `${path} is no launcher file: ${why}`, {
    hint: 'docs/LIVE.md shows one',
    data: { path },
    cause,
  });
}
