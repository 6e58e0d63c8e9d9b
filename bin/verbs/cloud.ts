import { mkdir, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Command } from 'commander';
import { CLOUD_FILE, type CloudFile, DEFAULT_DATA } from '../connection.ts';
import { collectSeldom } from '../engine.ts';
import { usage } from '../exit-codes.ts';
import { jsonLine } from '../output/json-lines.ts';
import { untilSignal } from '../signals.ts';
import { cloudConnectVerb } from './cloud-connect.ts';
import { verb } from './verb.ts';

interface Options {
  readonly data: string;
  readonly port: string;
  readonly context: Readonly<Record<string, string>>;
  readonly json?: boolean;
}

/** Adds `KEY=VALUE` to the context. */
function addContext(given: string, context: Options['context']): Options['context'] {
  const at = given.indexOf('=');
  if (at < 1) throw usage(`--context ${given} is no KEY=VALUE`, 'docs/DEPLOY.md has the keys');
  return { ...context, [given.slice(0, at)]: given.slice(at + 1) };
}

async function start(options: Options): Promise<void> {
  collectSeldom('free');
  const { assembliesFor, synthesize } = await import('../../infra/synth.ts');
  const { startCloud } = await import('../../localstack/cloud.ts');
  if (!/^\d{1,5}$/.test(options.port) || Number(options.port) > 65_535) {
    throw usage(`--port ${options.port} is no port`, 'a number from 0 to 65535; 0 = the last one, or any');
  }
  const data = path.resolve(options.data);
  await mkdir(data, { recursive: true, mode: 0o700 });
  const assemblyDir = synthesize(assembliesFor(data), options.context);
  const cloud = await startCloud({ assemblyDir, dataDir: data, port: Number(options.port) });
  const file = path.join(data, CLOUD_FILE);
  const body: Omit<CloudFile, 'namespace'> = {
    api_url: cloud.apiUrl,
    region: cloud.region,
    credentials: { access_key_id: cloud.operator.accessKeyId, secret_access_key: cloud.operator.secretAccessKey },
    services: { endpoint: cloud.endpoints.s3, bus: cloud.outputs.BusName!, bucket: cloud.outputs.BucketName! },
  };
  await writeFile(`${file}.new`, `${JSON.stringify(body, null, 2)}\n`, { mode: 0o600 });
  await rename(`${file}.new`, file);
  if (options.json) jsonLine('ready', { cloud_file: file, api_url: cloud.apiUrl });
  else process.stdout.write(`${file}\n`);
  process.stderr.write(`cloud ready at ${cloud.apiUrl}; use it with --cloud ${file}; stop it with Ctrl-C\n`);
  await untilSignal('stopping; what runs goes on when the cloud is started with the same --data');
  await cloud.stop();
}

export function cloudVerb(): Command {
  return new Command('cloud')
    .description('A cloud on this machine, which runs what AWS does; or one that was deployed.')
    .addCommand(
      verb('start', 'Start it and run until a signal. Loopback only.', 'layermover cloud start --data .layermover')
        .option('--data <dir>', 'where objects, tables and keys are kept', DEFAULT_DATA)
        .option('--port <n>', 'port of the API; 0 = the last one, or any', '0')
        .option(
          '-c, --context <key=value>',
          'a setting of the app, as `cdk deploy` takes it; more than once for more',
          addContext,
          {},
        )
        .action(start),
    )
    .addCommand(cloudConnectVerb());
}
