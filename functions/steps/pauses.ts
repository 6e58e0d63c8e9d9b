import type { MigrationForecast } from '../../core/api/forecast.ts';
import { compressedOf } from '../../core/planner/facts.ts';
import { forecastPause, type PauseForecast } from '../../core/planner/pause.ts';
import type { Rates } from '../../core/planner/rates.ts';
import type { MigrationRecord } from '../../core/records.ts';
import type { PlannedStream } from './plan-streams.ts';

/** How a running VM is expected to come along, from what it was seen to write. */
export interface ExpectedPause extends PauseForecast {
  readonly vm: string;
  readonly writes: number;
}

/** Of every running VM whose agent has told what it writes. */
export function pausesOf(
  { live }: MigrationRecord,
  streams: ReadonlyMap<string, PlannedStream>,
  rates: ReadonlyMap<string, Rates>,
  writes: ReadonlyMap<string, number>,
): ExpectedPause[] {
  if (live === undefined) return [];
  return [...streams.values()].flatMap(({ isBase, vms: [vm], facts, layer }) => {
    const guestWrites = isBase ? undefined : writes.get(vm!.name);
    if (guestWrites === undefined) return [];
    const { hash, compress, up } = rates.get(vm!.host)!;
    const link = { hash: hash.value, compress: compress.value, up: up.value };
    const sizes = { dataBytes: facts.dataBytes, diskBytes: layer.virtual_bytes };
    const seen = { ...sizes, compressed: compressedOf(facts), ...link, guestWrites };
    return [{ vm: vm!.name, writes: guestWrites, ...forecastPause(seen, live) }];
  });
}

export function pauseViews(pauses: readonly ExpectedPause[]): Pick<MigrationForecast, 'pauses'> {
  if (pauses.length === 0) return {};
  return {
    pauses: pauses.map(({ vm, writes, rounds, pauseMs }) => {
      const told = { vm, writes_bytes_per_second: writes, rounds };
      return pauseMs === undefined ? told : { ...told, pause_ms: pauseMs };
    }),
  };
}
