import { mkdirSync } from 'node:fs';
import { type CommandOptions, run } from '../command.ts';

export interface Mount {
  /** A raw image with an ext4 file system. */
  readonly raw: string;
  /** An empty folder to mount it on. */
  readonly at: string;
  /** Debian packages that were fetched before; those that are fetched now stay here. */
  readonly packages: string;
}

/**
 * Runs shell lines while an image is mounted on `$root`, with the fetched packages where apt looks for them. Namespaces of
 * their own hold mounts and processes: both go when the lines end, even by a signal that nobody can catch. What files left
 * behind that are gone is cut out of the image.
 */
export async function withMounted({ raw, at, packages }: Mount, lines: string, options: CommandOptions): Promise<void> {
  mkdirSync(at, { recursive: true });
  mkdirSync(packages, { recursive: true });
  const script = [
    'set -eu',
    'raw=$1 root=$2 packages=$3',
    'mount -o loop "$raw" "$root"',
    lines,
    'sync',
    'fstrim "$root"',
    'umount -R "$root"',
  ].join('\n');
  const alone = ['unshare', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc'];
  await run([...alone, 'bash', '-c', script, 'mounted', raw, at, packages], options);
}

/** Lines that install packages below `$root`. No service is started. */
export function installing(names: readonly string[]): string {
  return `${IN_ROOT}
chroot "$root" apt-get -qq -y --no-install-recommends install ${names.join(' ')} >/dev/null
${OUT_OF_ROOT}`;
}

/** Lines that put the files of a package below `$root/srv`, and what lies in `folder` beside them. */
export function bringing(dataPackage: string, folder: string): string {
  return `${IN_ROOT}
(cd "$root/var/cache/apt/archives" && chroot "$root" sh -c 'cd /var/cache/apt/archives && apt-get -qq download ${dataPackage}')
dpkg-deb -x "$(ls "$packages"/${dataPackage}_*.deb | tail -n 1)" "$root/srv"
cp -r ${folder}/. "$root/srv/"
${OUT_OF_ROOT}`;
}

/** Lines that make a small system below `$root`. */
export function bootstrapping(suite: string, mirror: string, names: readonly string[]): string {
  return `debootstrap --variant=minbase --cache-dir="$packages" ${suite} "$root" ${mirror} >/dev/null
printf '#!/bin/sh\\nexit 101\\n' >"$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"
echo 'deb ${mirror} ${suite} main' >"$root/etc/apt/sources.list"
${IN_ROOT}
chroot "$root" apt-get -qq update
${names.length === 0 ? '' : `chroot "$root" apt-get -qq -y --no-install-recommends install ${names.join(' ')} >/dev/null`}
${OUT_OF_ROOT}`;
}

/** apt asks nobody, keeps no caches of its own, and downloads as a user who can write to this folder. */
const IN_ROOT = `export DEBIAN_FRONTEND=noninteractive LC_ALL=C
cp /etc/resolv.conf "$root/etc/resolv.conf"
echo 'APT::Sandbox::User "root"; Dir::Cache::pkgcache ""; Dir::Cache::srcpkgcache "";' >"$root/etc/apt/apt.conf.d/99bench"
mount -t proc proc "$root/proc"
mkdir -p "$root/var/cache/apt/archives"
mount --bind "$packages" "$root/var/cache/apt/archives"`;

const OUT_OF_ROOT = `umount "$root/var/cache/apt/archives" "$root/proc"`;
