import type { LiveView, MigrationView, VmView } from '../../core/api/views.ts';
import { type Column, table } from './table.ts';
import { bytes, rate, seconds } from './units.ts';

type LiveVm = VmView & { readonly live: LiveView };

export function liveVms({ vms }: Pick<MigrationView, 'vms'>): LiveVm[] {
  return vms.filter((vm): vm is LiveVm => vm.live !== undefined);
}

/** Milliseconds as people say them: a pause of 80 ms is not 0.1 s. */
export function ms(value: number): string {
  return value < 1000 ? `${value} ms` : seconds(value / 1000);
}

/** What was asked for beyond a cold move at full speed; nothing if that. */
export function wishWords(wish: Pick<MigrationView, 'mode' | 'live' | 'max_rate_bytes_per_second'>): string[] {
  const { mode, live, max_rate_bytes_per_second: limit } = wish;
  const how = live?.cutover === 'stop' ? 'live, stopped for its cutover' : 'live, with its memory';
  return [
    ...(mode === 'live' ? [how] : []),
    ...(live === undefined ? [] : [`pause ${ms(live.max_downtime_ms)} at the most, else ${live.on_no_convergence}`]),
    ...(limit === undefined ? [] : [`${bytes(limit)}/s at the most`]),
  ];
}

/** What the running VMs of a migration are at, while they move. */
export function roundWords(migration: Pick<MigrationView, 'vms'>): string[] {
  return liveVms(migration)
    .filter((vm) => vm.state === 'moving' && vm.live.rounds.length > 0)
    .map(({ name, live }) => {
      const last = live.rounds.at(-1)!;
      const parts = [
        `${name} round ${last.round + 1} done`,
        `${bytes(last.remaining_bytes)} left`,
        ...(live.predicted_blackout_ms === undefined ? [] : [`pause ${ms(live.predicted_blackout_ms)} now`]),
        ...throttleWords(live),
      ];
      return parts.join(', ');
    });
}

function throttleWords({ throttle_bytes_per_second: throttle }: LiveView): string[] {
  return throttle === undefined ? [] : [`writes slowed to ${bytes(throttle)}/s`];
}

/** How long the VM was silent, or what it was last predicted to be. */
export function pauseWords({ blackout, predicted_blackout_ms: predicted }: LiveView): string | undefined {
  const was = predicted === undefined ? '' : `predicted ${ms(predicted)}`;
  if (blackout === undefined) return was === '' ? undefined : `pause ${was}`;
  const { total_ms, storage_ms, last_bytes } = blackout;
  const parts = [`${ms(storage_ms)} of it storage`, `${bytes(last_bytes)} copied in it`, ...(was === '' ? [] : [was])];
  return `pause ${ms(total_ms)}: ${parts.join(', ')}`;
}

const COLUMNS: readonly Column[] = [
  { head: 'VM', wraps: 10 },
  { head: 'round', align: 'right' },
  { head: 'copied', align: 'right' },
  { head: 'on the wire', align: 'right' },
  { head: 'time', align: 'right' },
  { head: 'link', align: 'right' },
  { head: 'left dirty', align: 'right' },
  { head: 'dirtied', align: 'right' },
  { head: 'slowed to', align: 'right' },
];

/** The cells of a VM's rounds, in the order of `ROUND_HEADS`. */
export function roundCells({ rounds }: LiveView): string[][] {
  return rounds.map((round) => [
    String(round.round),
    bytes(round.dirty_bytes),
    bytes(round.sent_bytes),
    ms(round.milliseconds),
    `${bytes(round.link_bytes_per_second)}/s`,
    bytes(round.remaining_bytes),
    rate(round.remaining_bytes, round.milliseconds / 1000),
    round.throttle_bytes_per_second === undefined ? '–' : `${bytes(round.throttle_bytes_per_second)}/s`,
  ]);
}

export const ROUND_HEADS = COLUMNS.slice(1).map(({ head }) => head);

/** The rounds of all running VMs and what their pauses were; empty for a cold migration. */
export function liveReport(migration: Pick<MigrationView, 'vms'>, width: number): string {
  const vms = liveVms(migration);
  if (vms.length === 0) return '';
  const rows = vms.flatMap(({ name, live }) => roundCells(live).map((cells, at) => [at === 0 ? name : '', ...cells]));
  const pauses = vms.flatMap(({ name, live }) => {
    const words = pauseWords(live);
    return words === undefined ? [] : [`${name}: ${words}`];
  });
  return [...(rows.length === 0 ? [] : [table(COLUMNS, rows, width)]), ...pauses].join('\n');
}
