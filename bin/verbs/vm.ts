import path from 'node:path';
import { Command } from 'commander';
import { systemClock } from '../../adapters/system/clock.ts';
import { systemFiles } from '../../adapters/system/files.ts';
import type { RunningVm } from '../../agent/images/running-vms.ts';
import { diskName, vmName } from '../../core/api/names.ts';
import { LayerMoverError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import { usage } from '../exit-codes.ts';
import { advise } from '../output/failure.ts';
import { jsonLine } from '../output/json-lines.ts';
import { type Column, table } from '../output/table.ts';
import { visible } from '../output/visible.ts';
import { verb } from './verb.ts';

interface Place {
  images: string;
  state?: string;
  json?: boolean;
}

interface AddOptions extends Place {
  qmp: string;
  disk: string[];
}

const COLUMNS: readonly Column[] = [
  { head: 'VM' },
  { head: 'node' },
  { head: 'disk', wraps: 8 },
  { head: 'QMP', wraps: 8 },
];

/** The VM files of the agent that serves these folders. */
async function open({ images, state }: Place) {
  const { RunningVms } = await import('../../agent/images/running-vms.ts');
  const folder = await systemFiles.resolve(path.resolve(images)).catch((cause) => {
    throw new LayerMoverError('IMAGE_FOLDER_MISSING', `there is no image folder ${images}`, {
      hint: 'make it, or name another one',
      data: { folder: images },
      cause,
    });
  });
  const stateFolder = state === undefined ? path.join(folder, '.layermover') : path.resolve(state);
  return { folder, vms: new RunningVms(path.join(stateFolder, 'running'), folder) };
}

async function disksOf(pairs: readonly string[]): Promise<RunningVm['disks']> {
  if (pairs.length === 0) throw usage('no --disk is named', 'for instance --disk disk0=/srv/images/web-1.qcow2');
  const found: RunningVm['disks'] = [];
  for (const pair of pairs) {
    const at = pair.indexOf('=');
    if (at < 1) throw usage(`--disk ${pair} is not NODE=FILE`, 'for instance --disk disk0=/srv/images/web-1.qcow2');
    const file = path.resolve(pair.slice(at + 1));
    const top = await systemFiles.resolve(file).catch((cause) => {
      throw new LayerMoverError('IMAGE_NOT_FOUND', `there is no image ${file}`, { data: { path: file }, cause });
    });
    found.push({ node: pair.slice(0, at), top });
  }
  assertTellable(found.map(({ node }) => node));
  return found;
}

/** Several disks are told apart by the names of their nodes. */
function assertTellable(nodes: readonly string[]): void {
  const odd = nodes.length === 1 ? undefined : nodes.find((node) => !diskName.safeParse(node).success);
  if (odd !== undefined) throw usage(`${odd} is no name for one of several disks`, 'give its node another node-name');
  if (nodes.length > limits.vm_disks_max)
    throw usage(`${nodes.length} disks are named`, `${limits.vm_disks_max} can be`);
  if (new Set(nodes).size < nodes.length) throw usage('a node is named twice', 'each disk has one');
}

async function add(name: string, options: AddOptions): Promise<void> {
  if (!vmName.safeParse(name).success) throw usage(`${name} is no VM’s name`, 'letters, digits, dot, dash, underscore');
  const { folder, vms } = await open(options);
  const disks = await disksOf(options.disk);
  const vm = { name, qmp: path.resolve(options.qmp), disks };
  await check(vm, folder);
  await vms.put(vm);
  if (options.json) jsonLine('vm', { vm });
  else process.stdout.write(`${name} is known; the agent announces it within seconds\n`);
}

/** Asks the VM's QEMU whether all is as it is told. */
async function check({ name, qmp: socket, disks }: RunningVm, folder: string): Promise<void> {
  const { examine } = await import('../../agent/live/examine.ts');
  const { connectQmp } = await import('../../agent/qemu/qmp.ts');
  const { unixSocket } = await import('../../adapters/system/unix-socket.ts');
  const { signal } = new AbortController();
  const qmp = await connectQmp(unixSocket(socket), { clock: systemClock, signal });
  try {
    const image = { name, qmp: socket, disks };
    await examine(qmp, image, { path: folder, files: systemFiles }, signal, async () => undefined);
  } finally {
    qmp.close();
  }
}

async function list(options: Place): Promise<void> {
  const { vms } = await open(options);
  const records = await vms.records();
  if (options.json) {
    for (const vm of records) jsonLine('vm', { vm });
    return;
  }
  if (records.length === 0) return advise('no running VM is known: `layermover vm add --help`');
  const rows = records.flatMap(({ name, qmp, disks }) =>
    disks.map(({ node, top }) => [name, visible(node), visible(top), visible(qmp)]),
  );
  process.stdout.write(`${table(COLUMNS, rows)}\n`);
}

async function remove(name: string, options: Place): Promise<void> {
  const { vms } = await open(options);
  const known = (await vms.records()).find((vm) => vm.name === name);
  if (known !== undefined && (await vms.remove(name))) {
    if (options.json) jsonLine('vm', { vm: known });
    return;
  }
  throw new LayerMoverError('VM_UNKNOWN', `no running VM ${name} is known here`, {
    hint: '`layermover vm list` shows them',
    data: { vm: name },
  });
}

const collect = (value: string, all: string[]): string[] => [...all, value];

/** A verb about one agent's VM files. */
function placed(name: string, description: string, example: string): Command {
  return verb(name, description, example)
    .requiredOption('--images <dir>', 'the image folder that the agent serves')
    .option('--state <dir>', 'where the agent keeps its state (default: .layermover in the image folder)');
}

export function vmVerb(): Command {
  const example =
    'layermover vm add web-1 --images /srv/images --qmp /run/web-1.qmp --disk disk0=/srv/images/web-1.qcow2';
  return new Command('vm')
    .description('Running VMs that the agent of this host may migrate: how their QEMUs are asked.')
    .addCommand(
      placed('add', 'Note a running VM, once its QEMU has told that all is so.', example)
        .argument('<name>', 'the VM’s name')
        .requiredOption('--qmp <socket>', 'unix socket of a QMP monitor that nobody else uses')
        .option(
          '--disk <node=file>',
          'name of a disk’s top node in QEMU, and its image; one for each disk that the VM may write to',
          collect,
          [],
        )
        .action(add),
    )
    .addCommand(placed('list', 'List them.', 'layermover vm list --images /srv/images').action(list))
    .addCommand(
      placed('rm', 'Forget one. Its QEMU is left alone.', 'layermover vm rm web-1 --images /srv/images')
        .argument('<name>', 'the VM’s name')
        .action(remove),
    );
}
