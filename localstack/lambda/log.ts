import { closeSync, fstatSync, mkdirSync, openSync, renameSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { limits } from '../limits.ts';

/** Where a function's console output goes. */
export interface FunctionLog {
  write(text: string | Uint8Array): void;
  close(): void;
}

/**
 * Appends to `path`; a full file becomes `path`.1, in the place of an older one, so that a log never outgrows its bound.
 * What a full disk refuses is lost: nobody fails for his log.
 */
export function openLog(path: string): FunctionLog {
  mkdirSync(dirname(path), { recursive: true });
  let fd: number | undefined = openSync(path, 'a');
  let bytes = fstatSync(fd).size;
  return {
    write(text) {
      if (fd === undefined) return;
      const chunk = Buffer.from(text).subarray(0, limits.function_log_bytes);
      try {
        if (bytes + chunk.length > limits.function_log_bytes) {
          renameSync(path, `${path}.1`);
          const next = openSync(path, 'a');
          closeSync(fd);
          fd = next;
          bytes = 0;
        }
        bytes += writeSync(fd, chunk);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      }
    },
    close() {
      if (fd !== undefined) closeSync(fd);
      fd = undefined;
    },
  };
}
