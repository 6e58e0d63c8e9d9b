import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { incompressible } from './content.ts';
import type { Finding, Settings } from './finding.ts';
import { makeSparse } from './sparse-disk.ts';
import { Stage } from './stage.ts';

const MiB = 1024 * 1024;
const GiB = 1024 * MiB;
const MEMORY_BYTES_MAX = 512 * 1e6;
const GROWTH_MAX = 1.25;

export interface DiskSize {
  readonly virtualBytes: number;
  readonly dataBytes: number;
}

export interface MemoryPeaks {
  readonly source: number;
  readonly destination: number;
}

/**
 * The most memory that each side's agent, freshly started, has for moving a disk whose data do not shrink and lie in
 * many runs all over it: nothing needs larger buffers. Bytes.
 */
export async function measureMemory(folder: string, sizes: readonly DiskSize[]): Promise<MemoryPeaks[]> {
  const stage = new Stage(folder);
  const peaks: MemoryPeaks[] = [];
  try {
    await stage.start();
    for (const [nth, { virtualBytes, dataBytes }] of sizes.entries()) {
      const path = join(folder, 'a', `vm-${nth}.qcow2`);
      const runs = Math.ceil(dataBytes / (16 * MiB));
      await makeSparse(path, { virtualBytes, dataBytes, runs, content: incompressible(nth) });
      await stage.restartAgents();
      await stage.migrate(`vm-${nth}`);
      peaks.push({ source: stage.figures('a').memoryBytesMax, destination: stage.figures('b').memoryBytesMax });
      for (const side of ['a', 'b']) rmSync(join(folder, side, `vm-${nth}.qcow2`));
    }
    return peaks;
  } finally {
    await stage.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Memory is bounded, and more data needs no more of it. */
export async function benchMemory({ folder, gib, note }: Settings): Promise<Finding[]> {
  const sizes = gib.map((size) => ({ virtualBytes: 64 * GiB, dataBytes: size * GiB }));
  note(`memory: ${gib.join(', ')} GiB of data on a disk of 64 GiB`);
  const peaks = await measureMemory(folder, sizes);
  return (['source', 'destination'] as const).flatMap((side) => {
    const found = peaks.map((peak) => peak[side]);
    const figures = Object.fromEntries(found.map((bytes, nth) => [`bytesAt${gib[nth]}GiB`, bytes]));
    const told = found.map((bytes, nth) => `${Math.round(bytes / 1e6)} MB at ${gib[nth]} GiB`).join(', ');
    const growth = found.at(-1)! / found[0]!;
    const bound = { bench: 'memory', what: `${side}, 64 GiB disk`, found: told, figures };
    return [
      { ...bound, goal: `≤ ${MEMORY_BYTES_MAX / 1e6} MB`, isMet: Math.max(...found) <= MEMORY_BYTES_MAX },
      { ...bound, goal: `flat: ≤ ${GROWTH_MAX} × the least data’s`, isMet: growth <= GROWTH_MAX },
    ];
  });
}
