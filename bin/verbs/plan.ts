import type { Command } from 'commander';
import { connect } from '../connection.ts';
import { detachSignal, tellFailure } from '../follow.ts';
import { jsonLine } from '../output/json-lines.ts';
import { planReport } from '../output/plan.ts';
import { watch } from '../watch.ts';
import { addRequestWords, type RequestWords, requestMigration } from './request.ts';
import { CLOUD_OPTION, verb } from './verb.ts';

interface Options extends RequestWords {
  explain?: boolean;
  cloud?: string;
  json?: boolean;
}

/** The cloud makes the plan, by the steps of a migration; the command only shows it. */
async function run(vms: string[], options: Options): Promise<void> {
  const client = await connect(options.cloud);
  const id = await requestMigration(client, vms, options, { planOnly: true });
  const planned = await watch(client, id, options.json === true, detachSignal(id));
  if (planned.state !== 'planned') return tellFailure(planned);
  if (options.json) jsonLine('plan', { migration: planned });
  else process.stdout.write(`${planReport(planned, { explain: options.explain === true })}\n`);
}

export function planVerb(): Command {
  const command = verb(
    'plan',
    'Tell what a migration would take: each layer’s treatment and why, bytes, time, dollars. Nothing is moved or reserved.',
    'layermover plan web-1 web-2 --to site-b/host-7 --explain',
  );
  return addRequestWords(command)
    .option('--explain', 'with the rates that it goes by, how they are known, and what the other treatment would take')
    .option(...CLOUD_OPTION)
    .action(run);
}
