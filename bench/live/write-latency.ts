import * as z from 'zod';
import { systemClock } from '../../adapters/system/clock.ts';
import { ask } from '../../agent/qemu/ask.ts';
import type { Qmp } from '../../agent/qemu/qmp.ts';
import { DISK_DEVICE } from './guests.ts';
import { boundariesOf, type Histogram } from './histogram.ts';

const US = 1000;
const BOUNDARIES = boundariesOf(10 * US, 10_000_000 * US, 1.05);

const histogram = z.object({ boundaries: z.array(z.number()), bins: z.array(z.number()) });
const stats = z.array(
  z.looseObject({ qdev: z.string().optional(), stats: z.looseObject({ wr_latency_histogram: histogram.optional() }) }),
);

/** How long the writes of guests take meanwhile: from when the device has the request until it answers it. In the order of the guests. */
export async function writesWhile(guests: readonly Qmp[], work: () => Promise<void>): Promise<Histogram[]> {
  for (const qmp of guests) {
    await qmp.execute('block-latency-histogram-set', { id: DISK_DEVICE, 'boundaries-write': BOUNDARIES });
  }
  await work();
  return Promise.all(guests.map(counted));
}

export function whileAlone(guests: readonly Qmp[], milliseconds: number): Promise<Histogram[]> {
  return writesWhile(guests, () => systemClock.sleep(milliseconds));
}

async function counted(qmp: Qmp): Promise<Histogram> {
  const all = await ask(qmp, stats, 'query-blockstats');
  const found = all.find(({ qdev }) => qdev === DISK_DEVICE)?.stats.wr_latency_histogram;
  if (found === undefined) throw new Error('QEMU has not counted the writes');
  return found;
}
