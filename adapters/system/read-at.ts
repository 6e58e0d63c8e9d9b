import { readSync } from 'node:fs';
import type { ReadAt } from '../../core/files.ts';

/** Reads an open file of this process. Threads use it by themselves: descriptors are shared. */
export const systemReadAt: ReadAt = (fd, into, offset) => {
  let done = 0;
  while (done < into.length) {
    const count = readSync(fd, into, done, into.length - done, offset + done);
    if (count === 0) break;
    done += count;
  }
  return done;
};
