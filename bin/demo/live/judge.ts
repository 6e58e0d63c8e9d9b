import { execFile } from 'node:child_process';
import { readFile, rm } from 'node:fs/promises';
import { promisify } from 'node:util';
import { programOf } from './needs.ts';

const run = promisify(execFile);

/** What is known of a guest's work from outside it, and from its disk. */
export interface Judgement {
  /** Records that it acknowledged on its serial port. */
  readonly acknowledged: number;
  /** Records that are on its disk. */
  readonly recorded: number;
  /** What is wrong; undefined if nothing is. */
  readonly fault?: string;
}

/** The number of the last record that a guest acknowledged, by what it said on its serial ports, one host's after the other. */
export async function acknowledged(serials: readonly string[]): Promise<number> {
  const numbers = acks(await said(serials));
  return numbers.at(-1) ?? 0;
}

/**
 * Judges the disk that a guest has unmounted: its file system must be clean, every record that was acknowledged must be
 * there, and nothing may have been acknowledged twice or out of turn. `raw` is a path for a copy that goes again.
 */
export async function judge(top: string, serials: readonly string[], raw: string): Promise<Judgement> {
  const numbers = acks(await said(serials));
  try {
    await run('qemu-img', ['convert', '-U', '-O', 'raw', top, raw]);
    const clean = await run(programOf('e2fsck'), ['-fn', raw]).then(
      () => true,
      () => false,
    );
    const cat = ['-R', 'cat /data/log', raw];
    const { stdout } = await run(programOf('debugfs'), cat, { maxBuffer: 64 * 1024 * 1024 });
    const records = stdout.split('\n').filter((line) => line !== '');
    const counts = { acknowledged: numbers.length, recorded: records.length };
    const fault = faultOf(clean, numbers, records);
    return fault === undefined ? counts : { ...counts, fault };
  } finally {
    await rm(raw, { force: true });
  }
}

function faultOf(clean: boolean, numbers: readonly number[], records: readonly string[]): string | undefined {
  if (!clean) return 'e2fsck finds faults in its file system';
  const skipped = numbers.findIndex((number, at) => number !== at + 1);
  if (skipped >= 0) return `after record ${skipped} it acknowledged ${numbers[skipped]}`;
  const wrong = records.findIndex((record, at) => record !== `record ${at + 1}`);
  if (wrong >= 0) return `in the place of record ${wrong + 1} there is “${records[wrong]}”`;
  if (records.length < numbers.length) return `record ${records.length + 1} was acknowledged and is lost`;
  return undefined;
}

/** A word may begin at one host and end at the other: all is read as one text. */
async function said(serials: readonly string[]): Promise<string> {
  const texts = await Promise.all(serials.map((serial) => readFile(serial, 'latin1').catch(() => '')));
  return texts.join('');
}

function acks(text: string): number[] {
  return [...text.matchAll(/^ack (\d+)\r?$/gm)].map(([, number]) => Number(number));
}
