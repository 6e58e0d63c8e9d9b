import { LayerMoverError } from '../../core/errors.ts';
import { type LauncherFile, namesUsed } from './template.ts';

/** A disk of a VM that arrives. */
export interface ArrivingDisk {
  /** Which one it is of a VM that has several. */
  readonly disk: string | undefined;
  /** Path of its top image. */
  readonly top: string;
  /** Paths of its layers by kind, the top one's among them. */
  readonly kinds: Readonly<Record<string, string>>;
}

/**
 * What placeholders for disks stand for: `disk` and `disk:KIND` for the only disk of a VM, `disk/NAME` and `disk/NAME:KIND` for each
 * of several.
 */
export function diskValues(disks: readonly ArrivingDisk[]): Record<string, string> {
  const values = disks.flatMap(({ disk, top, kinds }) => {
    const name = placeholderOf(disk);
    return [[name, top], ...Object.entries(kinds).map(([kind, path]) => [`${name}:${kind}`, path])];
  });
  return Object.fromEntries(values);
}

/** Errors: LAUNCHER_INVALID if the VM's command gives its QEMU not all of these disks. */
export function assertNamesAll(
  path: string,
  file: LauncherFile,
  vm: string,
  disks: readonly (string | undefined)[],
): void {
  const used = namesUsed(file, vm).map((name) => name.split(':')[0]);
  const missing = disks.map(placeholderOf).filter((name) => !used.includes(name));
  if (missing.length === 0) return;
  const names = missing.map((name) => `{${name}}`).join(' and ');
  throw new LayerMoverError('LAUNCHER_INVALID', `${path} would start ${vm} without ${names}`, {
    hint: 'a VM of several disks needs a placeholder for each, best in a command of its own: `vms` (docs/LIVE.md)',
    data: { path, vm, missing },
  });
}

function placeholderOf(disk: string | undefined): string {
  return disk === undefined ? 'disk' : `disk/${disk}`;
}
