import { limits } from '../../core/limits.ts';
import { rateOf } from '../../core/planner/rates.ts';
import type { Pace } from '../pack/pace.ts';
import type { Measures } from './measures.ts';

interface Host {
  readonly measures: Measures;
  readonly pace: Pace;
}

/** A push begins at the level that its sample came to, if that went by a link that is known. */
export function beginAtSampled({ measures, pace }: Host, layerId: string | undefined): void {
  const tried = layerId === undefined ? undefined : measures.ratio(layerId);
  if (tried !== undefined && measures.rates().up !== undefined) pace.level = tried.level;
  pace.take();
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
