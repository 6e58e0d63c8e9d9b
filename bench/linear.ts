import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { MigrationView } from '../core/api/views.ts';
import { incompressible } from './content.ts';
import type { Finding, Settings } from './finding.ts';
import { median } from './pairs.ts';
import { makeSparse } from './sparse-disk.ts';
import { Stage } from './stage.ts';

const MiB = 1024 * 1024;
const TIMES = 10;
const MORE_MAX = 10.5;

interface Took {
  readonly ms: number;
  /** As the plan predicts it from the disk's samples. */
  readonly dollars: number;
}

/** Moves VMs, each on a base that nobody has, of so much data and of ten times that, in turn. */
export async function benchLinear({ folder, isQuick, pairs, note }: Settings): Promise<Finding[]> {
  const bytes = (isQuick ? 32 : 256) * MiB;
  const stage = new Stage(folder);
  const small: Took[] = [];
  const large: Took[] = [];
  try {
    await stage.start();
    // The first one warms up, and teaches the hosts their link.
    for (let nth = 0; nth <= 2 * pairs; nth++) {
      const isLarge = nth % 2 === 1;
      const data = isLarge ? TIMES * bytes : bytes;
      note(`linear: ${data / MiB} MiB`);
      const took = await move(stage, `vm-${nth}`, data, nth);
      if (nth > 0) (isLarge ? large : small).push(took);
    }
  } finally {
    await stage.stop();
    rmSync(folder, { recursive: true, force: true });
  }
  return [finding('time', small, large, ({ ms }) => ms, bytes), finding('cost', small, large, dollarsOf, bytes)];
}

const dollarsOf = ({ dollars }: Took) => dollars;

async function move(stage: Stage, vm: string, dataBytes: number, seed: number): Promise<Took> {
  const [base, top] = ['-base', ''].map((end) => join(stage.folder, 'a', `${vm}${end}.qcow2`)) as [string, string];
  const shape = { virtualBytes: 2 * dataBytes, runs: 16 };
  await makeSparse(base, { ...shape, dataBytes, content: incompressible(2 * seed) });
  await makeSparse(top, { ...shape, dataBytes: MiB, over: base, content: incompressible(2 * seed + 1) });
  await stage.restartAgents();
  const beganMs = performance.now();
  const migration = await stage.migrate(vm);
  const ms = performance.now() - beganMs;
  for (const side of ['a', 'b']) {
    for (const end of ['-base', '']) rmSync(join(stage.folder, side, `${vm}${end}.qcow2`), { force: true });
  }
  return { ms, dollars: forecastOf(migration).dollars };
}

function forecastOf({ id, forecast }: MigrationView) {
  if (forecast === undefined) throw new Error(`${id} has no forecast`);
  return forecast;
}

function finding(
  what: 'time' | 'cost',
  small: Took[],
  large: Took[],
  of: (took: Took) => number,
  bytes: number,
): Finding {
  const [one, ten] = [median(small.map(of)), median(large.map(of))];
  const told = (value: number) => (what === 'time' ? `${(value / 1000).toFixed(1)} s` : `$${value.toFixed(4)}`);
  return {
    bench: 'linear',
    what: `VM on a new base of ${(TIMES * bytes) / MiB} instead of ${bytes / MiB} MiB: ${what}`,
    goal: `≤ ${MORE_MAX} ×`,
    found: `${(ten / one).toFixed(1)} × (${told(ten)} against ${told(one)})`,
    isMet: ten / one <= MORE_MAX,
    figures: { small: one, large: ten, ratio: ten / one },
  };
}
