import { type Command, Option } from 'commander';
import { CUTOVERS } from '../../core/api/tasks.ts';
import type { migrationRequest } from '../../core/api/views.ts';
import { ON_NO_CONVERGENCE } from '../../core/convergence/options.ts';
import { limits } from '../../core/limits.ts';
import { usage } from '../exit-codes.ts';
import { parseRate } from '../rate.ts';

/** How a running VM is moved, and how much of the link a migration may take, as words of a call. */
export interface LiveWords {
  live?: boolean;
  cutover?: string;
  maxDowntime?: string;
  onNoConvergence?: string;
  maxRate?: string;
}

type Request = (typeof migrationRequest)['_zod']['input'];

export function addLiveOptions(command: Command): Command {
  return command
    .option('--live', 'the VMs run, and go on running: their storage goes in rounds')
    .addOption(
      new Option('--cutover <how>', 'with the memory, or stopped for a while (default: ram)').choices(CUTOVERS),
    )
    .option('--max-downtime <ms>', `the longest pause to aim at (default: ${limits.downtime_ms_default})`)
    .addOption(
      new Option('--on-no-convergence <what>', 'if no round makes the pause shorter (default: throttle)').choices(
        ON_NO_CONVERGENCE,
      ),
    )
    .option('--max-rate <rate>', 'what a source may send a second, for instance 100M');
}

/** What of a request these words say. Throws USAGE if words of a live migration are said of a cold one. */
export function liveRequest(words: LiveWords): Partial<Request> {
  const { live = false, cutover, maxDowntime, onNoConvergence, maxRate } = words;
  const options = {
    ...(cutover === undefined ? {} : { cutover: cutover as 'ram' }),
    ...(maxDowntime === undefined ? {} : { max_downtime_ms: Number(maxDowntime) }),
    ...(onNoConvergence === undefined ? {} : { on_no_convergence: onNoConvergence as 'abort' }),
  };
  if (!live && Object.keys(options).length > 0)
    throw usage('--cutover, --max-downtime and --on-no-convergence are of running VMs', 'add --live');
  return {
    ...(live ? { mode: 'live', live: options } : {}),
    ...(maxRate === undefined ? {} : { max_rate_bytes_per_second: parseRate(maxRate) }),
  };
}
