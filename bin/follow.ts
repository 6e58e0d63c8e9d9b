import type { ApiClient } from '../adapters/api/client.ts';
import type { MigrationView } from '../core/api/views.ts';
import { errorFromJson } from '../core/errors.ts';
import { EXIT, exitCodeOf } from './exit-codes.ts';
import { advise, complain } from './output/failure.ts';
import { expectation } from './output/forecast.ts';
import { jsonLine } from './output/json-lines.ts';
import { report } from './output/report.ts';
import { makeReport } from './report/make.ts';
import { stopSignal } from './signals.ts';
import { summary, watch } from './watch.ts';

/**
 * Watches a migration to its end and prints the report; writes it as a page to `reportTo`, too, a place that
 * `reportPlace` gave. Throws INTERRUPTED at a signal: the migration goes on.
 */
export async function follow(
  client: ApiClient,
  id: string,
  options: { json: boolean; reportTo?: string | undefined },
): Promise<void> {
  const signal = detachSignal(id);
  process.stderr.write(`migration ${id}\n`);
  const ended = await watch(client, id, options.json, signal);
  if (options.json)
    jsonLine('summary', {
      migration: id,
      state: ended.state,
      ...summary([ended]),
      ...(ended.error ? { error: ended.error } : {}),
    });
  else if (ended.vms.length > 0) process.stdout.write(`${[report(ended), ...expectation(ended)].join('\n')}\n`);
  if (ended.state !== 'committed') tellFailure(ended);
  if (options.reportTo !== undefined) await makeReport(client, ended, options.reportTo, options.json);
}

/** Whoever stops watching leaves the migration running. */
export function detachSignal(id: string): AbortSignal {
  return stopSignal(
    `no longer watching; migration ${id} goes on without this command`,
    `\`layermover status ${id} --watch\` shows it again, \`layermover abort ${id}\` ends it`,
  );
}

/** Why a migration did not end as it was to, on stderr and by the exit code. */
export function tellFailure(ended: MigrationView): void {
  process.exitCode = ended.error ? exitCodeOf(errorFromJson(ended.error)) : EXIT.failed;
  const errors = [ended.error, ...ended.vms.map((vm) => vm.error)].filter((error) => error !== undefined);
  for (const error of new Map(errors.map((each) => [each.message, each])).values()) complain(error);
  if (ended.plan_only) return;
  process.stderr.write(`migration ${ended.id} is ${ended.state}; VMs that are not committed stay with their source\n`);
  if (ended.state === 'failed') advise(`\`layermover resume ${ended.id}\` goes on with those`);
}
