import type { MigrationView, VmView } from '../../core/api/views.ts';
import type { MigrationRecord, RoundRecord, VmRecord } from '../../core/records.ts';

/** What a migration was asked to do with running VMs, and with the link. */
export function modeView({
  live,
  maxRateBytesPerSecond: rate,
}: MigrationRecord): Pick<MigrationView, 'mode' | 'live' | 'max_rate_bytes_per_second'> {
  const limited = rate === undefined ? {} : { max_rate_bytes_per_second: rate };
  if (live === undefined) return { mode: 'cold', ...limited };
  const { cutover, maxDowntimeMs, onNoConvergence } = live;
  const options = { cutover, max_downtime_ms: maxDowntimeMs, on_no_convergence: onNoConvergence };
  return { mode: 'live', live: options, ...limited };
}

/** How a running VM comes along; nothing before its first round. */
export function liveView({ rounds, decided, blackout, guest }: VmRecord): Pick<VmView, 'live'> {
  if (decided === undefined && guest === undefined) return {};
  const { predictedMs, throttleBytesPerSecond: throttle, reason } = decided ?? {};
  return {
    live: {
      rounds: (rounds ?? []).map(roundView),
      ...(reason === undefined ? {} : { reason }),
      ...(predictedMs === undefined ? {} : { predicted_blackout_ms: predictedMs }),
      ...(throttle === undefined ? {} : { throttle_bytes_per_second: throttle }),
      ...(blackout === undefined ? {} : { blackout }),
      ...(guest === undefined ? {} : { guest }),
    },
  };
}

function roundView({ throttleBytesPerSecond: throttle, ...stats }: RoundRecord) {
  return { ...stats, ...(throttle === undefined ? {} : { throttle_bytes_per_second: throttle }) };
}
