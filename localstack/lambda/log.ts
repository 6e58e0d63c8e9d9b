import { closeSync, fstatSync, mkdirSync, openSync, renameSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { limits } from '../limits.ts';

/** Where a function's console output goes. */
export interface FunctionLog {
  write(text: string | Uint8Array): void;
  close(): void;
}

/** Appends to `path`; a full file becomes `path`.1, in the place of an older one, so that a log never outgrows its bound. */
export function openLog(path: string): FunctionLog {
  mkdirSync(dirname(path), { recursive: true });
  let fd: number | undefined = openSync(path, 'a');
  let bytes = fstatSync(fd).size;
  return {
    write(text) {
      if (fd === undefined) return;
      const chunk = Buffer.from(text).subarray(0, limits.function_log_bytes);
      if (bytes + chunk.length > limits.function_log_bytes) {
        closeSync(fd);
        renameSync(path, `${path}.1`);
        fd = openSync(path, 'a');
        bytes = 0;
      }
      bytes += writeSync(fd, chunk);
    },
    close() {
      if (fd !== undefined) closeSync(fd);
      fd = undefined;
    },
  };
}
