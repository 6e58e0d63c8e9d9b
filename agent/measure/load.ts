import { restingLevel } from '../../core/compression.ts';
import { limits } from '../../core/limits.ts';
import { rateOf } from '../../core/planner/rates.ts';
import type { Pace } from '../pack/pace.ts';
import type { Measures } from './measures.ts';

interface Host {
  readonly measures: Measures;
  readonly pace: Pace;
}

/**
 * A push of a base layer that was sampled begins at the level that its link leaves time for, if that is known by now; `upMax`:
 * what it may send a second. Any other begins where the last one ended.
 */
export function beginAtLevel(
  { measures, pace }: Host,
  layerId: string | undefined,
  upMax = Number.POSITIVE_INFINITY,
): void {
  pace.take();
  const tried = layerId === undefined ? undefined : measures.ratio(layerId);
  const rates = measures.rates();
  const up = Math.min(rates.up?.value ?? Number.POSITIVE_INFINITY, upMax);
  pace.remember(up);
  if (tried === undefined || tried.lowestMs === 0 || up === Number.POSITIVE_INFINITY) return;
  const load = rateOf(rates, 'load').value;
  pace.level = restingLevel({
    readMs: (1000 * tried.rawBytes * load) / rateOf(rates, 'hash').value,
    compressMs: tried.lowestMs * load,
    sendMs: (1000 * tried.compressedBytes) / up,
  });
}

/** How much longer than by its sample a base layer has taken, where the cores decided that. */
export function noteLoad({ measures, pace }: Host, layerId: string | undefined): void {
  const { bytes, ms } = pace.take();
  const tried = layerId === undefined ? undefined : measures.ratio(layerId);
  if (tried === undefined || tried.lowestMs === 0 || bytes < limits.rate_sample_bytes_min) return;
  const expectedMs =
    (1000 * bytes) / rateOf(measures.rates(), 'hash').value + (bytes * tried.lowestMs) / tried.rawBytes;
  measures.note('load', ms / expectedMs, bytes);
}
