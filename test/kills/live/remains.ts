import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import type { Qmp } from '../../../agent/qemu/qmp.ts';
import type { Guests, Site } from './guests.ts';
import type { LiveCase } from './judge.ts';

/** What a live migration that has ended has left at hosts and in QEMUs, in words; nothing if all is well. */
export async function liveRemains(
  { world, guests, vms }: LiveCase,
  owners: ReadonlyMap<string, Site>,
): Promise<string[]> {
  const stateOf = (site: Site) => path.join(world.imagesOf(site), '.layermover');
  const found = await Promise.all([
    records(path.join(stateOf('a'), 'live', 'vms')),
    books(path.join(stateOf('a'), 'live')),
    launches(path.join(stateOf('b'), 'qemu', 'journal')),
    ...vms.map((vm) => elsewhere(guests, vm, owners.get(vm)!)),
    ...vms.filter((vm) => owners.get(vm) === 'a').map((vm) => copies(world.imagesOf('b'), vm)),
    ...vms.filter((vm) => owners.get(vm) === 'a').map((vm) => inQemu(guests, vm)),
  ]);
  return found.flat();
}

async function records(folder: string): Promise<string[]> {
  return (await list(folder)).map((name) => `${folder}/${name}: a session of a running VM`);
}

async function books(folder: string): Promise<string[]> {
  return (await list(folder)).filter((name) => /^(book|copy)-/.test(name)).map((name) => `${folder}/${name}`);
}

/** QEMUs that were started for VMs which did not come. */
async function launches(folder: string): Promise<string[]> {
  const names = await list(folder);
  const texts = await Promise.all(names.map((name) => readFile(path.join(folder, name), 'utf8').catch(() => '')));
  return texts.filter((text) => text !== '' && !/"kept":\s*true/.test(text)).map((text) => `launch ${text}`);
}

async function elsewhere(guests: Guests, vm: string, owner: Site): Promise<string[]> {
  const other = owner === 'a' ? 'b' : 'a';
  const pids = await guests.pids(other, vm);
  return pids.map((pid) => `${vm} is at ${owner}, and there is a QEMU of it at ${other}: ${pid}`);
}

async function copies(images: string, vm: string): Promise<string[]> {
  return (await list(images)).filter((name) => name.startsWith(vm)).map((name) => `${images}/${name} is nobody's`);
}

/** What is left in the QEMU of a VM that stayed at its source; one that does not run has nothing. */
export async function inQemu(guests: Guests, vm: string): Promise<string[]> {
  return (await guests.ask('a', vm, async (qmp) => left(qmp, vm))) ?? [];
}

const LIMITS = ['bps', 'bps_rd', 'bps_wr', 'iops', 'iops_rd', 'iops_wr'];

async function left(qmp: Qmp, vm: string): Promise<string[]> {
  const blocks = (await qmp.execute('query-block')) as { inserted?: Record<string, unknown> }[];
  const disks = blocks.flatMap(({ inserted }) => (inserted === undefined ? [] : [inserted]));
  const limited = disks.flatMap((disk) => LIMITS.filter((name) => disk[name] !== 0).map((name) => [name, disk[name]]));
  const bitmaps = disks.flatMap((disk) => (disk['dirty-bitmaps'] as unknown[] | undefined) ?? []);
  const exports = (await qmp.execute('query-block-exports')) as unknown[];
  const jobs = (await qmp.execute('query-block-jobs')) as unknown[];
  const nodes = (await qmp.execute('query-named-block-nodes', { flat: true })) as { 'node-name': string }[];
  const server = await qmp.execute('nbd-server-stop').then(
    () => [`${vm}: its QEMU's server of blocks ran`],
    () => [],
  );
  return [
    ...limited.map(([name, value]) => `${vm}: its disk is limited: ${name} ${value}`),
    ...bitmaps.map((each) => `${vm}: bitmap ${JSON.stringify(each)}`),
    ...jobs.map((each) => `${vm}: job ${JSON.stringify(each)}`),
    ...nodes
      .map((node) => node['node-name'])
      .filter((name) => name.startsWith('layermover-'))
      .map((name) => `${vm}: node ${name}`),
    ...exports.map((each) => `${vm}: export ${JSON.stringify(each)}`),
    ...server,
  ];
}

async function list(folder: string): Promise<string[]> {
  return existsSync(folder) ? readdir(folder) : [];
}
