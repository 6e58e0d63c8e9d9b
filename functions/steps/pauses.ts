import type { MigrationForecast } from '../../core/api/forecast.ts';
import { compressedOf } from '../../core/planner/facts.ts';
import { forecastPause, type PauseForecast } from '../../core/planner/pause.ts';
import type { Rates } from '../../core/planner/rates.ts';
import type { MigrationRecord } from '../../core/records.ts';
import type { PlannedStream } from './streams.ts';

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
  const tops = [...streams.values()].filter(({ isBase }) => !isBase);
  return [...Map.groupBy(tops, ({ vms: [vm] }) => vm!.name)].flatMap(([vm, disks]) => {
    const guestWrites = writes.get(vm);
    if (guestWrites === undefined) return [];
    const { hash, compress, up } = rates.get(disks[0]!.vms[0]!.host)!;
    const link = { hash: hash.value, compress: compress.value, up: up.value };
    const seen = { ...sizesOf(disks), ...link, guestWrites };
    return [{ vm, writes: guestWrites, ...forecastPause(seen, live) }];
  });
}

/** Of all disks of a VM. */
function sizesOf(disks: readonly PlannedStream[]) {
  const sum = (of: (disk: PlannedStream) => number) => disks.reduce((all, disk) => all + of(disk), 0);
  const dataBytes = sum(({ facts }) => facts.dataBytes);
  const compressedBytes = sum(({ facts }) => facts.dataBytes * compressedOf(facts));
  const compressed = dataBytes === 0 ? compressedOf(disks[0]!.facts) : compressedBytes / dataBytes;
  return { dataBytes, diskBytes: sum(({ layer }) => layer.virtual_bytes), compressed };
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
