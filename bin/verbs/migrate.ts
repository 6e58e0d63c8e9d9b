import type { Command } from 'commander';
import { connect } from '../connection.ts';
import { usage } from '../exit-codes.ts';
import { follow } from '../follow.ts';
import { jsonLine } from '../output/json-lines.ts';
import { reportPlace } from '../report/file.ts';
import { addRequestWords, type RequestWords, requestMigration } from './request.ts';
import { CLOUD_OPTION, REPORT_OPTION, verb } from './verb.ts';

interface Options extends RequestWords {
  detach?: boolean;
  report?: string;
  cloud?: string;
  json?: boolean;
}

async function run(vms: string[], options: Options): Promise<void> {
  if (options.detach && options.report !== undefined)
    throw usage(
      '--report waits for the end, which --detach does not',
      '`layermover report ID --out FILE` makes it later',
    );
  const client = await connect(options.cloud);
  const reportTo = options.report === undefined ? undefined : await reportPlace(options.report);
  const id = await requestMigration(client, vms, options);
  if (!options.detach) await follow(client, id, { json: options.json === true, reportTo });
  else if (options.json) jsonLine('requested', { migration: id });
  else process.stdout.write(`${id}\n`);
}

export function migrateVerb(): Command {
  const command = verb(
    'migrate',
    'Move VMs, together, to another host: stopped ones, or running ones with --live.',
    'layermover migrate web-1 web-2 --to site-b/host-7',
  );
  return addRequestWords(command)
    .option('--detach', 'do not wait for the end')
    .option(...REPORT_OPTION)
    .option(...CLOUD_OPTION)
    .action(run);
}
