import { VmFiles } from '../../agent/images/vm-files.ts';
import type { HostRef } from '../../core/api/names.ts';
import { kindsOf } from '../../core/kinds.ts';
import type { Cloud } from './world/cloud.ts';
import { age } from './world/collector.ts';
import type { Dice } from './world/dice.ts';
import type { Host } from './world/host.ts';
import { IMAGES, VM_FILES } from './world/host.ts';
import { Content, drawLayer, readShown, type Shown } from './world/images.ts';
import type { Order } from './world/operator.ts';
import type { SimulatedTime } from './world/time.ts';

export interface Vm {
  readonly name: string;
  readonly source: Host;
  readonly disks: readonly VmDisk[];
}

export interface VmDisk {
  /** Undefined if the VM has no other. */
  readonly disk: string | undefined;
  readonly top: string;
  readonly shown: Shown;
}

/** What the chains of all VMs show, up to each of their layers. */
export function shownBy(vms: readonly Vm[]): Shown[] {
  const disks = vms.flatMap((vm) => vm.disks);
  return disks.flatMap(({ shown }) => shown.map((_, depth) => shown.slice(0, depth + 1)));
}

const KiB = 1024;

/** Names of the hosts of a world. */
export function drawHosts(dice: Dice): { site: string; host: string }[] {
  const hosts = [
    { site: 'a', host: 'h1' },
    { site: 'b', host: 'h2' },
  ];
  if (dice.chance(0.4)) hosts.push({ site: dice.pick(['a', 'c']), host: 'h3' });
  return hosts;
}

/** Writes VMs on the hosts' disks: chains of one to three layers, which share bases now and then; some VMs have several. */
export async function drawVms(dice: Dice, hosts: readonly Host[]): Promise<Vm[]> {
  const content = new Content(dice);
  const vms: Vm[] = [];
  for (const host of hosts) await host.files.makeFolder(IMAGES);
  const bases = new Map<Host, string[]>();
  for (let number = 1, count = dice.int(1, 3); number <= count; number++) {
    const source = dice.pick(hosts);
    const virtualBytes = dice.int(8, 80) * 4 * KiB + dice.pick([0, 0, 512]);
    const shape = { dice, content, virtualBytes };
    const known = bases.get(source) ?? [];
    let below = known.length > 0 && dice.chance(0.6) ? dice.pick(known) : undefined;
    if (below === undefined) {
      for (let depth = dice.int(0, 2); depth > 0; depth--) {
        below = await drawLayer(source.files, IMAGES, `base-${number}-${depth}`, below, shape);
        known.push(below);
      }
      bases.set(source, known);
    }
    const name = `vm-${number}`;
    const top = await drawLayer(source.files, IMAGES, name, below, shape);
    const tops = [top];
    const more = dice.fork(name);
    for (let disks = more.chance(0.3) ? more.int(1, 2) : 0; disks > 0; disks--) {
      const under = below !== undefined && more.chance(0.6) ? below : undefined;
      tops.push(await drawLayer(source.files, IMAGES, `${name}-${disks}`, under, { ...shape, dice: more }));
    }
    vms.push(await vmOf(name, source, tops));
  }
  return vms;
}

/** A VM of several disks is noted at its host as one that arrived there. */
async function vmOf(name: string, source: Host, tops: readonly string[]): Promise<Vm> {
  const disks: VmDisk[] = [];
  for (const [at, top] of tops.entries()) {
    const disk = tops.length === 1 ? undefined : `d${at}`;
    disks.push({ disk, top, shown: await readShown(source.files, IMAGES, top) });
  }
  if (disks.length > 1) {
    const noted = await VmFiles.open(VM_FILES, IMAGES, source.files);
    const of = disks.map(({ disk, top, shown }) => ({ disk, top, kinds: kindsOf(shown.length) }));
    await noted.put({ name, disks: of }, `m${'0'.repeat(20)}`);
  }
  return { name, source, disks };
}

/** What the user will ask for: VMs one by one or as gangs, some at the same time; some to be aborted. */
export function drawOrders(dice: Dice, hosts: readonly Host[], vms: readonly Vm[], calmMs: number): Order[] {
  const orders: Order[] = [];
  const left = [...vms];
  while (left.length > 0) {
    const gang = left.splice(0, dice.int(1, left.length));
    const to = dice.pick(hosts.filter((host) => gang.every((vm) => vm.source !== host)).concat(hosts));
    const moving = gang.filter((vm) => vm.source !== to);
    if (moving.length === 0) continue;
    const atMs = dice.next() * Math.min(30_000, calmMs);
    const others = hosts.filter((host) => host !== to);
    orders.push({
      vms: moving.map((vm) => vm.name),
      to: to.ref as HostRef,
      policy: dice.pick(['auto', 'kind', 'dedup', 'direct']),
      chunkBytes: dice.pick([4 * KiB, 4 * KiB, 8 * KiB]),
      atMs,
      ...(dice.chance(0.3) ? { onward: dice.pick(others).ref as HostRef } : {}),
      ...(dice.chance(0.15) ? { abortAtCommit: true } : {}),
      ...(dice.chance(0.2) ? { abortMs: atMs + dice.scale(500, 60_000) } : {}),
    });
  }
  return orders;
}

export function mostlyDedup(dice: Dice, order: Order): Order {
  return { ...order, policy: dice.pick(['dedup', 'dedup', order.policy]) };
}

interface Scene {
  readonly dice: Dice;
  readonly time: SimulatedTime;
  readonly cloud: Cloud;
  readonly hosts: readonly Host[];
  readonly vms: readonly Vm[];
}

/** The same hosts and VMs a long time afterwards: much of what the store holds is garbage by now, and then VMs move again. */
export async function secondAct({ dice, time, cloud, hosts, vms }: Scene) {
  cloud.era++;
  await age(cloud.ports, time.nowMs(), dice);
  const placed: Vm[] = [];
  for (const vm of vms) {
    const owner = (await cloud.ports.vms.find('default', vm.name))?.owner;
    placed.push({ ...vm, source: hosts.find(({ ref }) => ref === owner) ?? vm.source });
  }
  const beganMs = time.sinceStartMs;
  const spanMs = dice.scale(20_000, 200_000);
  const orders = drawOrders(dice, hosts, placed, spanMs).map((order): Order => {
    const { abortMs, ...rest } = mostlyDedup(dice, order);
    return { ...rest, ...(abortMs === undefined ? {} : { abortMs: beganMs + abortMs }) };
  });
  return { orders, calmMs: beganMs + spanMs };
}
