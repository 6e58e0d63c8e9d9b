import { execFile } from 'node:child_process';
import { readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { programOf } from '../../bin/demo/live/needs.ts';
import { expected, PAGE_BYTES } from './workload.ts';

const run = promisify(execFile);

/** The disks of a guest that rests, and what it has said, at all of its hosts one after the other. */
export interface Resting {
  readonly seed: number;
  readonly said: string;
  /** Top images. */
  readonly log: string;
  readonly base: string;
  /** For copies that go again. */
  readonly folder: string;
}

/** How many transactions a guest has acknowledged. */
export function acknowledged(said: string): number {
  return acks(said).length;
}

/**
 * What is wrong with a guest that has unmounted its disks: both file systems must be clean, each transaction acknowledged once and in
 * turn, and log and pages must hold what they wrote, all of it and nothing else.
 */
export async function faultsOf({ seed, said, log, base, folder }: Resting): Promise<string[]> {
  const numbers = acks(said);
  const faults = numbers.flatMap((number, at) => (number === at + 1 ? [] : [`acknowledged ${number} after ${at}`]));
  faults.push(...[...said.matchAll(/^(no disk|log refused|page refused)\r?$/gm)].map(([, words]) => `said: ${words}`));
  const want = expected(seed, numbers.length);
  const [wal, pages] = [path.join(folder, 'wal'), path.join(folder, 'pages')];
  try {
    faults.push(...(await dump(log, 'wal', wal, folder)), ...(await dump(base, 'pages', pages, folder)));
    const lines = (await readFile(wal, 'latin1')).split('\n').slice(0, -1);
    const odd = want.log.findIndex((line, at) => lines[at] !== line);
    if (odd >= 0) faults.push(`line ${odd + 1} of the log is “${lines[odd]}”, not “${want.log[odd]}”`);
    if (lines.length !== want.log.length) faults.push(`the log has ${lines.length} lines, not ${want.log.length}`);
    const found = await readFile(pages);
    for (const [page, tx] of want.pages) {
      const text = found.toString('latin1', page * PAGE_BYTES, (page + 1) * PAGE_BYTES).replaceAll('\0', '');
      if (text !== `page ${page} tx ${tx}\n`) faults.push(`page ${page} is “${text.trim()}”, not of transaction ${tx}`);
    }
  } finally {
    for (const file of [wal, pages]) await rm(file, { force: true });
  }
  return faults.slice(0, 8);
}

/** Copies one file out of a disk's file system, once that was found clean. */
async function dump(image: string, file: string, to: string, folder: string): Promise<string[]> {
  const raw = path.join(folder, 'raw');
  try {
    await run('qemu-img', ['convert', '-U', '-O', 'raw', image, raw]);
    const unclean = await run(programOf('e2fsck'), ['-fn', raw]).then(
      () => [],
      ({ stdout }: { stdout: string }) => [`e2fsck finds faults in ${path.basename(image)}: ${stdout.slice(0, 300)}`],
    );
    await run(programOf('debugfs'), ['-R', `dump /${file} ${to}`, raw]);
    return unclean;
  } finally {
    await rm(raw, { force: true });
  }
}

function acks(said: string): number[] {
  return [...said.matchAll(/^ack (\d+)\r?$/gm)].map(([, number]) => Number(number));
}
