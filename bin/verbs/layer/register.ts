import { type Command, Option } from 'commander';
import type { ApiClient } from '../../../adapters/api/client.ts';
import { systemRandom } from '../../../adapters/system/random.ts';
import { registrationRequest } from '../../../core/api/registrations.ts';
import { errorFromJson, LayerMoverError } from '../../../core/errors.ts';
import { toHex } from '../../../core/fingerprint.ts';
import { BASE_KINDS } from '../../../core/kinds.ts';
import { limits } from '../../../core/limits.ts';
import { connect } from '../../connection.ts';
import { usage } from '../../exit-codes.ts';
import { advise } from '../../output/failure.ts';
import { jsonLine } from '../../output/json-lines.ts';
import { registrationLines, registrationTable } from '../../output/registration.ts';
import { hasRegistered, registration } from '../../registration.ts';
import { stopSignal } from '../../signals.ts';
import { CLOUD_OPTION, verb } from '../verb.ts';

interface Options {
  kind: string;
  host?: string;
  publish?: boolean;
  chunk: string;
  requestId?: string;
  cloud?: string;
  json?: boolean;
}

/** The one host that there is, if none is named. */
async function hostOf(client: ApiClient, { host }: Options): Promise<string> {
  if (host !== undefined) return host;
  const { hosts } = await client.call('listHosts', {});
  if (hosts.length === 1) return hosts[0]!.host;
  if (hosts.length === 0)
    throw new LayerMoverError('HOST_UNKNOWN', 'no agent has enrolled yet', { hint: '`layermover agent --help`' });
  throw usage('say which host the files lie on', '--host SITE/HOST; `layermover host list` shows them');
}

async function run(files: string[], options: Options): Promise<void> {
  const json = options.json === true;
  const client = await connect(options.cloud);
  const parsed = registrationRequest.safeParse({
    request_id: options.requestId ?? toHex(systemRandom.bytes(16)),
    host: await hostOf(client, options),
    files,
    kind: options.kind,
    publish: options.publish === true,
    chunk_bytes: Number(options.chunk),
  });
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw usage(`${issue?.path.join('.')}: ${issue?.message}`, 'layermover layer register --help has an example');
  }
  const { id } = await client.call('registerLayers', { body: parsed.data });
  const signal = stopSignal(
    `no longer watching; registration ${id} goes on without this command`,
    `\`layermover layer list\` shows what came of it, \`layermover abort ${id}\` ends it`,
  );
  const lines = registrationLines();
  for await (const view of registration(client, id, signal)) {
    const ended = hasRegistered(view);
    if (json) jsonLine(ended ? 'registered' : 'registering', { registration: view });
    else if (!ended) lines(view);
    if (!ended) continue;
    if (view.error !== undefined) throw errorFromJson(view.error);
    if (json) return;
    process.stdout.write(`${registrationTable(view)}\n`);
    if (!view.publish)
      advise(
        'nothing was sent: the first migration that brings a layer stores it; --publish shares it with all namespaces',
      );
  }
}

export function layerRegisterVerb(): Command {
  return verb(
    'register',
    'Have a host’s agent fingerprint base layers, so that migrations need not read them, and publish them if wished.',
    'layermover layer register --kind os debian-13.qcow2 --host site-a/host-1 --publish',
  )
    .argument('<file...>', 'paths on the host, relative to its image folder or absolute')
    .addOption(new Option('--kind <kind>', 'what the files hold').choices(BASE_KINDS).makeOptionMandatory())
    .option('--host <site/host>', 'where they lie; needed if there are several hosts')
    .option('--publish', 'store them where every namespace of the deployment may read them')
    .option('--chunk <bytes>', 'chunk size', String(limits.chunk_bytes_default))
    .option('--request-id <id>', 'the same id again is the same registration')
    .option(...CLOUD_OPTION)
    .action(run);
}
