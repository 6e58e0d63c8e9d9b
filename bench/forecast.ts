import { join } from 'node:path';
import { outcomeOf } from '../bin/output/forecast.ts';
import { compressible, incompressible } from './content.ts';
import type { Finding, Settings } from './finding.ts';
import { makeSparse } from './sparse-disk.ts';
import { Stage } from './stage.ts';

const MiB = 1024 * 1024;
const TOP_BYTES = 32 * MiB;
const BYTES_OFF_MAX = 0.15;
/** Hosts are busy otherwise: a forecast that is this far off is wrong, not unlucky. */
const TIME_OFF_MAX = 2;

/**
 * Moves VMs, each on a base of its own. The first one teaches the hosts their link; of the others bytes and time are set
 * against what their plans expected.
 */
export async function benchForecast({ folder, isQuick, note }: Settings): Promise<Finding[]> {
  const bytes = (isQuick ? 128 : 768) * MiB;
  const vms = isQuick ? 2 : 4;
  note(`forecast: ${vms - 1} VMs on ${bytes / MiB} MiB each`);
  const stage = new Stage(folder);
  const found: { bytes: number; time: number }[] = [];
  try {
    for (let nth = 0; nth < vms; nth++) await makeVm(join(folder, 'a'), `vm-${nth}`, bytes, nth);
    await stage.start();
    for (let nth = 0; nth < vms; nth++) {
      const outcome = outcomeOf(await stage.migrate(`vm-${nth}`));
      if (outcome === undefined) throw new Error(`vm-${nth} has no forecast`);
      const { expected, was } = outcome;
      if (nth > 0)
        found.push({ bytes: expected.wireBytes / was.wireBytes, time: expected.milliseconds / was.milliseconds });
    }
  } finally {
    await stage.stop();
  }
  const farthest = (of: 'bytes' | 'time') =>
    found.map((each) => each[of]).reduce((a, b) => (Math.abs(Math.log(b)) > Math.abs(Math.log(a)) ? b : a));
  const [byBytes, byTime] = [farthest('bytes'), farthest('time')];
  const what = `VM on a base of ${bytes / MiB} MiB that is new: expected ÷ was, the farthest of ${found.length}`;
  return [
    {
      bench: 'forecast',
      what: `${what}: bytes on the wire`,
      goal: `within ${100 * BYTES_OFF_MAX} %`,
      found: byBytes.toFixed(2),
      isMet: Math.abs(byBytes - 1) <= BYTES_OFF_MAX,
      figures: { bytes: byBytes },
    },
    {
      bench: 'forecast',
      what: `${what}: time`,
      goal: `within a factor of ${TIME_OFF_MAX}`,
      found: byTime.toFixed(2),
      isMet: byTime <= TIME_OFF_MAX && byTime >= 1 / TIME_OFF_MAX,
      figures: { time: byTime },
    },
  ];
}

/** A base whose content nothing else has, and a layer of its own over it. */
async function makeVm(folder: string, name: string, bytes: number, nth: number): Promise<void> {
  const over = join(folder, `${name}-base.qcow2`);
  await makeSparse(over, { virtualBytes: bytes, dataBytes: bytes, runs: 1, content: compressible(1000 + nth) });
  const top = { virtualBytes: bytes, dataBytes: TOP_BYTES, runs: 4, over, content: incompressible(2000 + nth) };
  await makeSparse(join(folder, `${name}.qcow2`), top);
}
