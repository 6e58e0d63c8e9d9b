import { accessSync, constants, existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Programs that images are built and measured with, and the Debian packages that bring them. */
const PROGRAMS: Readonly<Record<string, string>> = {
  debootstrap: 'debootstrap',
  'mkfs.ext4': 'e2fsprogs',
  unshare: 'util-linux',
  fstrim: 'util-linux',
  'dpkg-deb': 'dpkg',
  'qemu-img': 'qemu-utils',
  time: 'time',
};

/** What is missing to build and measure; undefined if nothing is. */
export function missing(): string | undefined {
  if (process.platform !== 'linux' || process.getuid?.() !== 0)
    return 'it mounts file systems: run it as root on Linux';
  if (!existsSync('/dev/loop-control')) return 'there are no loop devices';
  const absent = Object.keys(PROGRAMS).filter((program) => !hasProgram(program));
  if (absent.length === 0) return undefined;
  const packages = new Set(absent.map((program) => PROGRAMS[program]));
  return `there is no ${absent.join(', ')}: apt-get install ${[...packages].join(' ')}`;
}

export function hasProgram(name: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
