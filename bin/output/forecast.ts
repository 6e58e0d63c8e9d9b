import type { MigrationView } from '../../core/api/views.ts';
import { ms } from './live.ts';
import { bytes } from './units.ts';

/** What a migration took, beside what was expected of it. Bytes on the wire and milliseconds since it was planned. */
export interface Outcome {
  readonly expected: { readonly wireBytes: number; readonly milliseconds: number };
  readonly was: { readonly wireBytes: number; readonly milliseconds: number };
}

type Told = Pick<MigrationView, 'state' | 'run' | 'ended_ms' | 'forecast' | 'vms'>;

/** Of a migration that was committed at once: one that was resumed sent some of it before it was planned last. */
export function outcomeOf({ state, run, ended_ms: endedMs, forecast, vms }: Told): Outcome | undefined {
  if (forecast === undefined || state !== 'committed' || run > 1 || endedMs === undefined) return undefined;
  const wireBytes = vms.reduce((sum, vm) => sum + vm.wire_bytes, 0);
  const milliseconds = Math.max(0, endedMs - forecast.at_ms);
  return {
    expected: { wireBytes: forecast.wire_bytes, milliseconds: forecast.milliseconds },
    was: { wireBytes, milliseconds },
  };
}

/** The same in words; nothing where it can't be told. */
export function outcomeWords(migration: Told): string[] {
  const outcome = outcomeOf(migration);
  if (outcome === undefined) return [];
  const { expected, was } = outcome;
  const sent = `${bytes(expected.wireBytes)} sent${off(expected.wireBytes, was.wireBytes)}`;
  const took = `${ms(expected.milliseconds)}${off(expected.milliseconds, was.milliseconds)}`;
  return [`expected: ${sent}, ${took}; it was ${bytes(was.wireBytes)}, ${ms(was.milliseconds)}`];
}

/** How much more or less it was than expected. */
function off(expected: number, was: number): string {
  if (expected === 0) return '';
  const percent = Math.round(100 * (was / expected - 1));
  return ` (${percent > 0 ? '+' : ''}${percent} %)`;
}

/** What moving several VMs as one was expected to save; nothing for a single one. */
export function gangWords({ forecast, vms }: Pick<MigrationView, 'forecast' | 'vms'>): string[] {
  if (forecast === undefined || vms.length < 2) return [];
  const { one_by_one: later, each_alone: alone } = forecast;
  return [
    `expected for the same VMs one after the other: ${ms(later.milliseconds)}, ${bytes(later.wire_bytes)} sent`,
    `each as if there were no others: ${ms(alone.milliseconds)}, ${bytes(alone.wire_bytes)} sent`,
  ];
}

/** Both, once a migration is committed. */
export function expectation(migration: Told): string[] {
  return migration.state === 'committed' ? [...outcomeWords(migration), ...gangWords(migration)] : [];
}
