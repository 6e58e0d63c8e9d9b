import type { Command } from 'commander';
import { hostRef, identityArn } from '../../core/api/names.ts';
import { clientOf, readCloudFile } from '../connection.ts';
import { type ApiPlace, apiPlace, hostPolicy } from '../enrol/policy.ts';
import { usage } from '../exit-codes.ts';
import { advise } from '../output/failure.ts';
import { jsonLine } from '../output/json-lines.ts';
import { CLOUD_OPTION, verb } from './verb.ts';

interface Options {
  site: string;
  host: string;
  identity?: string;
  api?: string;
  cloud?: string;
  json?: boolean;
}

const ANY_API: ApiPlace = { partition: 'aws', region: '*', api: '*', stage: '*' };

async function run(options: Options): Promise<void> {
  const ref = hostRef.safeParse(`${options.site}/${options.host}`);
  if (!ref.success)
    throw usage(`${options.site}/${options.host} is no SITE/HOST`, 'lower-case letters, digits and dashes');
  const { api_url, region, namespace } = await readCloudFile(options.cloud);
  const known = apiPlace(options.api ?? api_url);
  const policy = hostPolicy(ref.data, known ?? { ...ANY_API, region });
  const identity = options.identity === undefined ? undefined : await bind(options, options.identity);
  const file = { api_url, region, namespace };
  const command = `layermover agent --site ${options.site} --host ${options.host} --cloud cloud.json --images DIR`;
  if (options.json) {
    return jsonLine('enrolled', {
      host: ref.data,
      ...(identity === undefined ? {} : { identity }),
      policy,
      cloud_file: file,
      command,
    });
  }
  section(`The policy of the role or user that signs for ${ref.data}`, pretty(policy));
  section('cloud.json on the host; the credentials are those that AWS’s tools find there', pretty(file));
  section('Its agent', command);
  if (known === undefined) advise('the URL names no API of AWS, so the policy names none; --api URL does');
  if (identity === undefined)
    advise(`nobody speaks for ${ref.data} yet: make a role with that policy, then run this again with --identity ARN`);
  else process.stderr.write(`${identity} speaks for ${ref.data}, and nobody else\n`);
}

async function bind({ site, host, cloud }: Options, arn: string): Promise<string> {
  if (!identityArn.safeParse(arn).success)
    throw usage(`${arn} is not the ARN of a role or of a user`, 'for instance arn:aws:iam::123456789012:role/h1');
  const client = clientOf(await readCloudFile(cloud));
  const bound = await client.call('bindHost', { params: { site, host }, body: { identity: arn } });
  return bound.identity;
}

/** Titles go to stderr, so that stdout is what they are about. */
function section(title: string, text: string): void {
  process.stderr.write(`\n${title}:\n`);
  process.stdout.write(`${text}\n`);
}

const pretty = (value: unknown): string => JSON.stringify(value, null, 2);

export function hostEnrolVerb(): Command {
  return verb(
    'enrol',
    'Bind a host to the role or user that signs for it, and print that identity’s policy and the host’s configuration.',
    'layermover host enrol --site a --host h1 --identity arn:aws:iam::123456789012:role/h1',
  )
    .requiredOption('--site <site>', 'the data centre')
    .requiredOption('--host <host>', 'the host within it')
    .option('--identity <arn>', 'who speaks for the host; without it nothing is changed, only printed')
    .option('--api <url>', 'the API’s own URL, if the cloud file has a domain of yours')
    .option(...CLOUD_OPTION)
    .action(run);
}
