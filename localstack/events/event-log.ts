import { appendFileSync, existsSync, mkdirSync, renameSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { limits } from './limits.ts';

/**
 * Appends lines to a file that stays bounded: at log_bytes_max it becomes `<file>.1`, in place of the last one, and a new
 * one is begun.
 */
export function openEventLog(file: string): (lines: string) => void {
  mkdirSync(dirname(file), { recursive: true });
  let bytes = existsSync(file) ? statSync(file).size : 0;
  return (lines) => {
    const length = Buffer.byteLength(lines);
    if (bytes > 0 && bytes + length > limits.log_bytes_max) {
      renameSync(file, `${file}.1`);
      bytes = 0;
    }
    appendFileSync(file, lines);
    bytes += length;
  };
}
