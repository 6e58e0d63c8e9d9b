import * as z from 'zod';
import { count } from '../../core/api/names.ts';
import { ask } from '../qemu/ask.ts';
import type { Qmp } from '../qemu/qmp.ts';

const blockStats = z.array(
  z.looseObject({
    'node-name': z.string().optional(),
    qdev: z.string().optional(),
    stats: z.looseObject({ wr_bytes: count }),
  }),
);

/** Bytes that the guest has written to these devices’ disks since its QEMU began. Errors: QMP_REFUSED and those of Qmp.execute. */
export async function writtenBytes(qmp: Qmp, qdevs: readonly string[], signal?: AbortSignal): Promise<number> {
  const all = await ask(qmp, blockStats, 'query-blockstats', {}, { signal });
  const theirs = all.filter(({ qdev }) => qdev !== undefined && qdevs.includes(qdev));
  return theirs.reduce((sum, { stats }) => sum + stats.wr_bytes, 0);
}

/** What so much in so many milliseconds makes in a second. */
export function perSecond(amount: number, milliseconds: number): number {
  return Math.max(0, Math.round((1000 * amount) / Math.max(1, milliseconds)));
}
