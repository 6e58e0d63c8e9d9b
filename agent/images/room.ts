import { dirname } from 'node:path';
import { hasCode, LayerMoverError } from '../../core/errors.ts';
import { type Files, isRefusedWith } from '../../core/files.ts';

const MiB = 1024 * 1024;

/** What is to be written, and into which folder. */
export interface Wanted {
  readonly files: Files;
  readonly folder: string;
  readonly name: string;
  /** Bytes of its data: the least that it takes. */
  readonly bytes: number;
  /** What to do once there is room; `layermover resume` unless set. */
  readonly again?: string;
}

/** Refuses at once (DISK_FULL) what the folder's file system has no room for. */
export async function assertRoom(wanted: Wanted): Promise<void> {
  if ((await wanted.files.freeBytes(wanted.folder)) < wanted.bytes) throw await diskFull(wanted);
}

/** True if a file system, a quota or a limit of file sizes refused a write. */
export function isFull(error: unknown): boolean {
  return hasCode(error, 'DISK_FULL') || isRefusedWith(error, 'ENOSPC', 'EDQUOT', 'EFBIG');
}

/** DISK_FULL, naming the file system and how much is missing there now; nothing may be where a quota or a limit refused. */
export async function diskFull(
  { files, folder, name, bytes, again = '`layermover resume`' }: Wanted,
  cause?: unknown,
): Promise<LayerMoverError> {
  const [mount, freeBytes] = await Promise.all([mountOf(files, folder), files.freeBytes(folder)]);
  const missingBytes = Math.max(0, bytes - freeBytes);
  const room = `needs ${mib(bytes)}, ${mib(freeBytes)} are free${missingBytes > 0 ? `, ${mib(missingBytes)} are missing` : ''}`;
  return new LayerMoverError('DISK_FULL', `the file system at ${mount} has no room for ${name}: it ${room}`, {
    hint:
      missingBytes > 0
        ? `free room there, then ${again}`
        : `look for a quota, a limit of file sizes (ulimit -f), or who else writes there; then ${again}`,
    data: { folder, mount, neededBytes: bytes, freeBytes, missingBytes },
    cause,
  });
}

/** Where the file system of a folder is mounted. */
async function mountOf(files: Files, folder: string): Promise<string> {
  const { dev } = await files.stat(folder);
  for (let at = folder; ; at = dirname(at)) {
    if (at === dirname(at) || (await files.stat(dirname(at))).dev !== dev) return at;
  }
}

function mib(bytes: number): string {
  return `${(bytes / MiB).toFixed(1)} MiB`;
}
