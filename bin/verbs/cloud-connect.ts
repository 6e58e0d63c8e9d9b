import { mkdir, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Command } from 'commander';
import { DEFAULT_NAMESPACE, ownNamespace } from '../../core/api/names.ts';
import { type CloudFile, clientOf, cloudFilePath } from '../connection.ts';
import { apiPlace } from '../enrol/policy.ts';
import { usage } from '../exit-codes.ts';
import { jsonLine } from '../output/json-lines.ts';
import { connectionOfStack } from '../stack.ts';
import { verb } from './verb.ts';

interface Options {
  stack?: string;
  region?: string;
  namespace: string;
  out?: string;
  json?: boolean;
}

/** Writes the cloud file of a deployed stack once the API has answered a call. */
async function run(url: string | undefined, options: Options): Promise<void> {
  if (!ownNamespace.safeParse(options.namespace).success)
    throw usage(`${options.namespace} is no namespace`, 'lower-case letters, digits and dashes, 32 at the most');
  const cloud: CloudFile = { ...(await placeOf(url, options)), namespace: options.namespace };
  const { hosts } = await clientOf(cloud).call('listHosts', {});
  const file = path.resolve(cloudFilePath(options.out));
  await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
  await writeFile(`${file}.new`, `${JSON.stringify(cloud, null, 2)}\n`, { mode: 0o600 });
  await rename(`${file}.new`, file);
  if (options.json) jsonLine('connected', { cloud_file: file, api_url: cloud.api_url });
  else process.stdout.write(`${file}\n`);
  process.stderr.write(`connected to ${cloud.api_url}: ${hosts.length} hosts in ${cloud.namespace}\n`);
}

async function placeOf(url: string | undefined, { stack, region }: Options): Promise<Omit<CloudFile, 'namespace'>> {
  if ((url === undefined) === (stack === undefined))
    throw usage('say either --stack or the API’s URL', 'for instance `layermover cloud connect --stack LayerMover`');
  if (stack !== undefined) return await connectionOfStack(stack, region);
  const told = region ?? apiPlace(url!)?.region;
  if (!URL.canParse(url!) || told === undefined)
    throw usage(`${url} tells no region`, 'the stack’s output ApiUrl; for a domain of your own say --region, too');
  return { api_url: url!.replace(/\/$/, ''), region: told };
}

export function cloudConnectVerb(): Command {
  return verb(
    'connect',
    'Write the cloud file of a stack on AWS, whose calls are signed with the credentials that AWS’s tools find here.',
    'layermover cloud connect --stack LayerMover',
  )
    .argument('[url]', 'the stack’s output ApiUrl, instead of --stack')
    .option('--stack <name>', 'the stack, whose outputs CloudFormation tells')
    .option('--region <region>', 'the region, if neither URL nor environment tells it')
    .option('--namespace <name>', 'who may share chunks', DEFAULT_NAMESPACE)
    .option('--out <file>', 'where to write it (default: $LAYERMOVER_CLOUD, else .layermover/cloud.json)')
    .action(run);
}
