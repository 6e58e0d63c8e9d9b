import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import type { Order, Told } from './qcow2-worker.ts';

/** An image that keeps the reader busy for longer than this makes it hang. */
const IMAGE_MS_MAX = 40_000;
/** What reading three images at a time may take, with all that Node itself takes. */
const RSS_BYTES_MAX = 640 * 1024 ** 2;
const WATCH_MS = 200;
const FAILURES_MAX = 20;
const REPORT_IMAGES = 1000;

export interface FuzzReport {
  readonly tried: number;
  /** Images by what became of them: `accepted`, or the code of the refusal. */
  readonly verdicts: Readonly<Record<string, number>>;
  /** The most memory that this process had. */
  readonly rssBytesMax: number;
  /** A line for each image on which the product and QEMU disagree, with the command that tries it again. */
  readonly failures: readonly string[];
}

/**
 * Mutates images made by qemu-img, `count` of them from number `first` of `seed` on, and lets the product and QEMU read
 * each (judge.ts). It runs in a thread of its own, so that an endless loop is seen. Ends early after many failures.
 */
export async function fuzzQcow2(
  { seed, first = 0, count }: { seed: number; first?: number; count: number },
  on: { tried?: (tried: number) => void; failure?: (failure: string) => void } = {},
): Promise<FuzzReport> {
  const folder = mkdtempSync(join(tmpdir(), 'layermover-fuzz-'));
  const workerData: Order = { folder, seed, first, count };
  const worker = new Worker(new URL('./qcow2-worker.ts', import.meta.url), { workerData });
  const begun = new Map<number, { original: string; since: number }>();
  const verdicts: Record<string, number> = {};
  const failures: string[] = [];
  let tried = 0;
  const fail = (index: number, original: string, why: string) => {
    const failure = `${original}: ${why}\n  again: node test/fuzz/qcow2.ts --seed ${seed} --first ${index} --count 1`;
    failures.push(failure);
    on.failure?.(failure);
  };
  worker.on('message', ({ index, original, verdict, failure }: Told) => {
    if (verdict === undefined && failure === undefined) {
      begun.set(index, { original, since: performance.now() });
      return;
    }
    begun.delete(index);
    tried++;
    on.tried?.(tried);
    if (verdict !== undefined) verdicts[verdict] = (verdicts[verdict] ?? 0) + 1;
    if (failure !== undefined) fail(index, original, failure);
    if (failures.length === FAILURES_MAX) void worker.terminate();
  });
  let rssBytesMax = 0;
  const watch = setInterval(() => {
    rssBytesMax = Math.max(rssBytesMax, process.memoryUsage.rss());
    const isHanging = ({ since }: { since: number }) => performance.now() - since > IMAGE_MS_MAX;
    const greedy = rssBytesMax > RSS_BYTES_MAX;
    const guilty = [...begun].filter(([, image]) => greedy || isHanging(image));
    const why = greedy ? `one of those in work took ${rssBytesMax} bytes` : `read for more than ${IMAGE_MS_MAX} ms`;
    for (const [index, { original }] of guilty) fail(index, original, why);
    if (guilty.length === 0) return;
    begun.clear();
    void worker.terminate();
  }, WATCH_MS);
  try {
    await new Promise((resolve, reject) => worker.once('error', reject).once('exit', resolve));
  } finally {
    clearInterval(watch);
    // A qemu-img that outlives the worker may still write there for a moment.
    rmSync(folder, { recursive: true, maxRetries: 5 });
  }
  return { tried, verdicts, rssBytesMax, failures };
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      count: { type: 'string', default: '10000' },
      seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
      first: { type: 'string', default: '0' },
    },
  });
  const order = { seed: Number(values.seed), first: Number(values.first), count: Number(values.count) };
  process.stderr.write(`seed ${order.seed}\n`);
  const report = await fuzzQcow2(order, {
    failure: (failure) => process.stderr.write(`${failure}\n`),
    tried: (tried) => {
      if (tried % REPORT_IMAGES === 0) process.stderr.write(`${tried} images\n`);
    },
  });
  const { tried, verdicts, rssBytesMax, failures } = report;
  process.stdout.write(`${JSON.stringify({ ...order, tried, failures: failures.length, verdicts, rssBytesMax })}\n`);
  process.exitCode = report.failures.length > 0 || report.tried < order.count ? 1 : 0;
}
