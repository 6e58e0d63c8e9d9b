import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import type { Service, ServiceOptions } from './service.ts';

const TOOLS = ['unshare', 'nsenter', 'mount'];

/** Why no file system can be mounted here; undefined if one can. */
export const cannotMount: string | undefined = (() => {
  if (process.getuid?.() !== 0) return 'only root may mount';
  const missing = TOOLS.filter(
    (tool) => !['/bin', '/sbin', '/usr/bin', '/usr/sbin'].some((bin) => existsSync(`${bin}/${tool}`)),
  );
  if (missing.length > 0) return `there is no ${missing.join(', ')}`;
  try {
    execFileSync('unshare', ['-m', 'mount', '-t', 'tmpfs', 'none', '/mnt'], { stdio: 'pipe' });
    return undefined;
  } catch (error) {
    return `mounting is refused: ${(error as Error).message.split('\n').at(-2)}`;
  }
})();

/** Options for a service on whose `folder` a file system of its own is mounted, for it alone; it goes with the process. */
export function onSmallDisk(folder: string, mib: number): ServiceOptions {
  mkdirSync(folder, { recursive: true });
  const script = 'mount -t tmpfs -o size="$1"m none "$2" && shift 2 && exec "$@"';
  return { wrap: ['unshare', '-m', 'sh', '-c', script, 'sh', String(mib), folder] };
}

/** Makes the file system larger while the service runs. */
export function enlarge(service: Service, folder: string, mib: number): void {
  execFileSync('nsenter', ['-m', '-t', String(service.pid), 'mount', '-o', `remount,size=${mib}m`, folder]);
}

/** A path as the service sees it. */
export function seenBy(service: Service, file: string): string {
  return path.join(`/proc/${service.pid}/root`, file);
}
