import path from 'node:path';
import type { Command } from 'commander';
import pino from 'pino';
import { systemClock } from '../../adapters/system/clock.ts';
import { systemRandom } from '../../adapters/system/random.ts';
import { clientOf, readCloudFile } from '../connection.ts';
import { usage } from '../exit-codes.ts';
import { jsonLine } from '../output/json-lines.ts';
import { untilSignal } from '../signals.ts';
import { CLOUD_OPTION, verb } from './verb.ts';

interface Options {
  site: string;
  host: string;
  images: string;
  state?: string;
  vm: string[];
  cloud?: string;
  json?: boolean;
}

/** NAME=PATH pairs as a map. */
export function namedPaths(pairs: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf('=');
      if (at < 1) throw usage(`--vm ${pair} is not NAME=PATH`, 'for instance --vm web-1=/var/lib/images/web-1.qcow2');
      return [pair.slice(0, at), path.resolve(pair.slice(at + 1))];
    }),
  );
}

async function run(options: Options): Promise<void> {
  const { startAgent } = await import('../../agent/agent.ts');
  const { createGrantedObjectStore } = await import('../../adapters/aws/object-store.ts');
  const log = pino({ name: `agent ${options.site}/${options.host}`, base: {} }, pino.destination(2));
  const vms = namedPaths(options.vm);
  const cloud = await readCloudFile(options.cloud);
  const agent = await startAgent({
    site: options.site,
    host: options.host,
    imageFolder: path.resolve(options.images),
    ...(options.state === undefined ? {} : { stateFolder: path.resolve(options.state) }),
    ...(options.vm.length === 0 ? {} : { vms }),
    api: clientOf(cloud),
    namespace: cloud.namespace,
    clock: systemClock,
    random: systemRandom,
    objectStore: createGrantedObjectStore,
    log,
  });
  if (options.json) jsonLine('ready', { host: `${options.site}/${options.host}` });
  process.stderr.write(`agent ${options.site}/${options.host} ready; stop it with Ctrl-C\n`);
  await untilSignal();
  await agent.stop();
}

const collect = (value: string, all: string[]): string[] => [...all, value];

export function agentVerb(): Command {
  return verb(
    'agent',
    'Run the agent of a host: it serves migrations from and to the images in its folder.',
    'layermover agent --site a --host h1 --images /var/lib/libvirt/images',
  )
    .requiredOption('--site <site>', 'the data centre')
    .requiredOption('--host <host>', 'this host within it')
    .requiredOption(
      '--images <dir>',
      'image folder: VMs are read from it and arrive in it; backing files must lie in it',
    )
    .option('--state <dir>', 'catalog, manifests and journal (default: .layermover in the image folder)')
    .option(
      '--vm <name=path>',
      'a VM by its top image; without any, every image that backs no other is a VM',
      collect,
      [],
    )
    .option(...CLOUD_OPTION)
    .action(run);
}
