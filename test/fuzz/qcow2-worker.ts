import { cpSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import { judge } from './judge.ts';
import { mutate } from './mutate.ts';
import { makeOriginals } from './originals.ts';
import { Random } from './random.ts';

/** Disks in work at a time: QEMU reads one while we read another. */
const JOBS = 3;

export interface Order {
  /** An empty folder to work in. */
  readonly folder: string;
  readonly seed: number;
  readonly first: number;
  readonly count: number;
}

/** What the worker tells: disk `index` was begun, and what became of it. */
export interface Told {
  readonly index: number;
  readonly original: string;
  readonly verdict?: string;
  readonly failure?: string;
}

/** A failed qemu-img says enough itself; anything else needs its stack. */
function reason(error: unknown): string {
  if (error instanceof Error && 'stderr' in error) return `${error.message}${'stdout' in error ? error.stdout : ''}`;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

const { folder, seed, first, count } = workerData as Order;
const tell = (told: Told) => parentPort!.postMessage(told);
const originals = makeOriginals(folder);
let next = first;

async function work(job: number): Promise<void> {
  const home = join(folder, `job${job}`);
  for (const original of originals) cpSync(original.folder, join(home, basename(original.folder)), { recursive: true });
  while (next < first + count) {
    const index = next++;
    const random = new Random(seed, index);
    const original = random.pick(originals);
    const about = { index, original: original.name };
    tell(about);
    try {
      const mutated = mutate(original, random);
      tell({ ...about, verdict: await judge(mutated, join(home, basename(original.folder)), original.target) });
    } catch (error) {
      tell({ ...about, failure: reason(error) });
    }
  }
}

await Promise.all(Array.from({ length: JOBS }, (_, job) => work(job)));
