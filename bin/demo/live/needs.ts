import { accessSync, constants } from 'node:fs';
import path from 'node:path';
import { LayerMoverError } from '../../../core/errors.ts';
import { findKernel } from './linux.ts';

const FOLDERS = [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/sbin'];

/** Programs that the demo runs, and Debian's packages that have them. */
const PROGRAMS: Readonly<Record<string, string>> = {
  'qemu-system-x86_64': 'qemu-system-x86',
  'qemu-img': 'qemu-utils',
  busybox: 'busybox-static',
  mke2fs: 'e2fsprogs',
  debugfs: 'e2fsprogs',
  e2fsck: 'e2fsprogs',
};

/** The path of a program; undefined if it is not installed. */
export function findProgram(name: string): string | undefined {
  return FOLDERS.map((folder) => path.join(folder, name)).find(isProgram);
}

/** What to run a program by: its path, for many users' PATH has no sbin, or its name where it is missing. */
export function programOf(name: string): string {
  return findProgram(name) ?? name;
}

/** Refuses (TOOLS_MISSING) a machine that lacks what the guests need, and tells what to install. */
export function assertTools(): void {
  const missing = Object.keys(PROGRAMS).filter((name) => findProgram(name) === undefined);
  const hasKernel = findKernel() !== undefined;
  if (missing.length === 0 && hasKernel) return;
  const packages = new Set(missing.map((name) => PROGRAMS[name]!));
  if (!hasKernel) packages.add('linux-image-cloud-amd64');
  const lacking = [...missing, ...(hasKernel ? [] : ['a kernel for guests'])];
  throw new LayerMoverError('TOOLS_MISSING', `running guests need ${lacking.join(', ')}`, {
    hint: `on Debian: apt-get install --no-install-recommends ${[...packages].join(' ')}`,
    data: { missing: lacking },
  });
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
