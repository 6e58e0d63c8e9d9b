import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { compressible, incompressible } from './content.ts';
import type { Finding, Settings } from './finding.ts';
import { median } from './pairs.ts';
import { makeSparse } from './sparse-disk.ts';
import { Stage } from './stage.ts';

const MiB = 1024 * 1024;
const TOP_BYTES = 1 * MiB;
/** What an agent reads for a poll, a task or a table has nothing to do with the base. */
const READ_MORE_MAX = 1 * MiB;
const SLOWER_MAX = 1.25;

export interface Costs {
  readonly readBytes: number;
  readonly ms: number;
}

/**
 * Moves VMs on a small and on a large base to where both bases are: what the large one costs more, in bytes that the
 * source's agent reads and in time.
 */
export async function measureKnownBase(
  folder: string,
  { small, large, vms }: { small: number; large: number; vms: number },
): Promise<{ small: Costs; large: Costs }> {
  const stage = new Stage(folder);
  try {
    for (const [base, bytes] of [['small', small] as const, ['large', large] as const]) {
      await makeFamily(join(folder, 'a'), base, bytes, vms + 1);
    }
    await stage.start();
    // The first of each family brings its base along.
    for (const base of ['small', 'large']) await stage.migrate(`${base}-0`);
    const found: Record<'small' | 'large', Costs[]> = { small: [], large: [] };
    for (let nth = 1; nth <= vms; nth++) {
      for (const base of ['small', 'large'] as const) {
        const { readBytes: before } = stage.figures('a');
        const startMs = performance.now();
        await stage.migrate(`${base}-${nth}`);
        const ms = performance.now() - startMs;
        found[base].push({ readBytes: stage.figures('a').readBytes - before, ms });
      }
    }
    return { small: medians(found.small), large: medians(found.large) };
  } finally {
    await stage.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A base that is full of data, and small layers over it. */
async function makeFamily(folder: string, name: string, bytes: number, tops: number): Promise<void> {
  const base = join(folder, `${name}-base.qcow2`);
  await makeSparse(base, { virtualBytes: bytes, dataBytes: bytes, runs: 1, content: compressible(bytes / MiB) });
  const top = { virtualBytes: bytes, dataBytes: TOP_BYTES, runs: 1, over: base };
  for (let nth = 0; nth < tops; nth++) {
    await makeSparse(join(folder, `${name}-${nth}.qcow2`), { ...top, content: incompressible(nth) });
  }
}

function medians(costs: readonly Costs[]): Costs {
  return { readBytes: median(costs.map((each) => each.readBytes)), ms: median(costs.map((each) => each.ms)) };
}

/** A layer that the destination has costs no read of its data, and no time that grows with it. */
export async function benchKnownBase({ folder, isQuick, pairs, note }: Settings): Promise<Finding[]> {
  const sizes = { small: 64 * MiB, large: (isQuick ? 512 : 4096) * MiB, vms: pairs };
  note(`known base: of ${sizes.small / MiB} and ${sizes.large / MiB} MiB`);
  const { small, large } = await measureKnownBase(folder, sizes);
  const readMore = large.readBytes - small.readBytes;
  const slower = large.ms / small.ms;
  const what = `VM on a known base of ${sizes.large / MiB} instead of ${sizes.small / MiB} MiB`;
  const figures = {
    readBytesSmall: small.readBytes,
    readBytesLarge: large.readBytes,
    msSmall: small.ms,
    msLarge: large.ms,
  };
  return [
    {
      bench: 'known-base',
      what: `${what}: reads of the source agent`,
      goal: `≤ ${READ_MORE_MAX / MiB} MiB more`,
      found: `${(readMore / MiB).toFixed(2)} MiB more`,
      isMet: readMore <= READ_MORE_MAX,
      figures,
    },
    {
      bench: 'known-base',
      what: `${what}: time of the whole migration`,
      goal: `≤ ${SLOWER_MAX} × as long`,
      found: `${slower.toFixed(2)} × as long (${Math.round(large.ms)} against ${Math.round(small.ms)} ms)`,
      isMet: slower <= SLOWER_MAX,
      figures,
    },
  ];
}
