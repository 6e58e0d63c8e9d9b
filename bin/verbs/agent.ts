import path from 'node:path';
import type { Command } from 'commander';
import { systemClock } from '../../adapters/system/clock.ts';
import { systemRandom } from '../../adapters/system/random.ts';
import type { Log } from '../../agent/daemon/log.ts';
import type { LauncherOptions } from '../../agent/launch/launcher.ts';
import { hostRef } from '../../core/api/names.ts';
import { clientOf, readCloudFile } from '../connection.ts';
import { leftOut } from '../doctor/left-out.ts';
import { collectSeldom } from '../engine.ts';
import { usage } from '../exit-codes.ts';
import { agentLog } from '../output/agent-log.ts';
import { jsonLine } from '../output/json-lines.ts';
import { untilSignal } from '../signals.ts';
import { CLOUD_OPTION, verb } from './verb.ts';

interface Options {
  site: string;
  host: string;
  images: string;
  state?: string;
  vm: string[];
  qmpDir?: string;
  launcher?: string;
  migrationAddress?: string;
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

/** How the agent starts QEMUs, if the call says it. Errors: LAUNCHER_INVALID, MIGRATION_ADDRESS_INVALID. */
async function launcherOf({ launcher, migrationAddress }: Options): Promise<{ launcher?: LauncherOptions }> {
  if (launcher === undefined && migrationAddress !== undefined)
    throw usage('--migration-address is of use with --launcher alone', 'name the host’s launcher file, too');
  if (launcher === undefined) return {};
  const { readLauncher } = await import('../../agent/launch/read-launcher.ts');
  return { launcher: await readLauncher(path.resolve(launcher), migrationAddress) };
}

async function run(options: Options): Promise<void> {
  collectSeldom('bounded');
  const { startAgent } = await import('../../agent/agent.ts');
  const { createGrantedObjectStore } = await import('../../adapters/aws/object-store.ts');
  const place = hostRef.safeParse(`${options.site}/${options.host}`);
  if (!place.success)
    throw usage(`${options.site}/${options.host} is no SITE/HOST`, 'lower-case letters, digits and dashes');
  const log = agentLog(place.data, options.json === true);
  const vms = namedPaths(options.vm);
  const cloud = await readCloudFile(options.cloud);
  const agent = await startAgent({
    site: options.site,
    host: options.host,
    imageFolder: path.resolve(options.images),
    ...(options.state === undefined ? {} : { stateFolder: path.resolve(options.state) }),
    ...(options.vm.length === 0 ? {} : { vms }),
    ...(options.qmpDir === undefined ? {} : { qmpFolder: path.resolve(options.qmpDir) }),
    api: clientOf(cloud),
    namespace: cloud.namespace,
    clock: systemClock,
    random: systemRandom,
    objectStore: createGrantedObjectStore,
    log,
    ...(await launcherOf(options)),
  });
  if (options.json) jsonLine('ready', { host: place.data });
  process.stderr.write(`agent ${place.data} ready; stop it with Ctrl-C\n`);
  if (options.vm.length === 0) await tellLeftOut(path.resolve(options.images), log);
  await untilSignal('stopping; open tasks go on when the agent is started again');
  await agent.stop();
}

const LEFT_OUT_TOLD_MAX = 20;

/** Says once which files look like VMs' disks and are not announced. */
async function tellLeftOut(images: string, log: Log): Promise<void> {
  const found = await leftOut(images).catch(() => []);
  for (const each of found.slice(0, LEFT_OUT_TOLD_MAX)) log.warn(each, 'left out: not announced as a VM');
  if (found.length > LEFT_OUT_TOLD_MAX)
    log.warn({ more: found.length - LEFT_OUT_TOLD_MAX }, 'left out, too; `layermover doctor` has them all');
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
    .option('--qmp-dir <dir>', 'VMs that run: those whose QMP sockets lie in this folder (docs/LIVE.md)')
    .option('--launcher <file>', 'how QEMUs of VMs that arrive running are started (docs/LIVE.md)')
    .option('--migration-address <address>', 'where their memory comes in: HOST, HOST:FIRST-LAST, or unix')
    .option(...CLOUD_OPTION)
    .action(run);
}
