import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** Runs qemu-img; throws, with what it said, if it fails. */
export async function qemuImg(...words: string[]): Promise<void> {
  await promisify(execFile)('qemu-img', words);
}
