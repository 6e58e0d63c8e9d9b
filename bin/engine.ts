import module from 'node:module';
import { userInfo } from 'node:os';
import path from 'node:path';
import v8 from 'node:v8';

/** Below the user's home: whoever can write there runs what it likes as that user, anyway. */
const COMPILED = path.join('.cache', 'layermover', 'compiled');

/** By how many percent what is there may grow until all of it is looked through: in a process whose memory is bounded, and in others. */
const GROWING_PERCENT = { bounded: 60, free: 200 } as const;

/**
 * Has all objects looked through seldom, in agents, whose memory is bounded, and in the embedded cloud. What passes through are
 * buffers, beside a small heap of objects: by default they count in the limit of that heap, and every few tens of megabytes it is
 * looked through. They count in the limit for both together from here on, and what is there may grow more. Where memory is bounded
 * new objects get no more room than they have at the start: else they take a hundred megabytes, though nearly all of them die at once.
 */
export function collectSeldom(memory: keyof typeof GROWING_PERCENT): void {
  v8.setFlagsFromString('--external-memory-accounted-in-global-limit');
  v8.setFlagsFromString(`--heap-growing-percent=${GROWING_PERCENT[memory]}`);
  if (memory === 'bounded') v8.setFlagsFromString('--semi-space-growth-factor=1');
}

/** A command is there in half the time if its modules need not be compiled. Before they are loaded. */
export function keepCompiled(): void {
  const home = homeOfUser();
  if (home !== undefined) module.enableCompileCache(path.join(home, COMPILED));
}

/** As the system tells it, not the environment, which `sudo` may pass on. Undefined if it knows none. */
function homeOfUser(): string | undefined {
  try {
    return userInfo().homedir;
  } catch {
    return undefined;
  }
}
