import type { LayerTransfer, StreamCounts, TaskInput } from '../../core/api/tasks.ts';
import { type Disk, disksOf, ofDisk, topLayer } from '../../core/disks.ts';
import type { Receipt, ReceiptLayer } from '../../core/receipt.ts';
import type { KnownLayer } from '../catalog/catalog.ts';
import type { Arrived, ArrivedTop, Waiting } from '../images/arrivals.ts';
import { announce, layerLost } from './fetch.ts';
import type { Wanted } from './pull-into.ts';
import { receiptLayer, sendable } from './receipts.ts';
import type { TaskHost, TaskRun } from './task.ts';

/** What a destination does with a VM that arrives, stopped or running. */
export type FollowInput = Extract<TaskInput, { kind: 'follow' }>;

/** The top layer of one of a VM's disks, as it is to be brought. */
export type WantedTop = Wanted & { readonly vm: NonNullable<Wanted['vm']> };

/** One that has come. */
export interface ReceivedTop {
  readonly arrived: Arrived;
  readonly counts: StreamCounts;
}

/**
 * The VM's top layers as they are to be brought, one a disk; each comes once the layer below it is here, which a fetch that runs
 * here may still have to bring. Errors, of each: LAYER_LOST, the signal's reason.
 */
export function wantedTops(host: TaskHost, run: TaskRun, input: FollowInput): Promise<WantedTop>[] {
  const disks = disksOf(input.chain.layers);
  return disks.map((disk) => wantedTop(host, run, input, disk, disks.length));
}

async function wantedTop(
  host: TaskHost,
  run: TaskRun,
  { migration, run: migrationRun, chunk_bytes: chunkBytes, chain }: FollowInput,
  disk: Disk<LayerTransfer>,
  disks: number,
): Promise<WantedTop> {
  const transfer = topLayer(disk);
  const below = await baseUnder(host, run, migration, disk);
  const kinds = disk.layers.map(({ layer }) => layer.kind);
  const vm = { name: chain.vm, kinds, ...(disk.disk === undefined ? {} : { disk: disk.disk, disks }) };
  return { migration, run: migrationRun, chunkBytes, transfer, below, vm };
}

/** The layer below a disk's top one, as soon as it is here. Undefined if there is none. Errors: LAYER_LOST, the signal's reason. */
async function baseUnder(
  host: TaskHost,
  run: TaskRun,
  migration: string,
  { layers }: Disk<LayerTransfer>,
): Promise<KnownLayer | undefined> {
  const base = layers.at(-2);
  if (base === undefined) return undefined;
  const find = () => host.catalog.byLayer(base.stream);
  const known = await (base.treatment === 'skip' ? find() : host.fetches.until(migration, find, run.signal));
  if (known !== undefined) return known;
  throw await layerLost(host, run, base.stream);
}

/** A VM arrives whole or not at all: if one of its disks does not come, those that came go. Errors: what one of `coming` fails with. */
export async function allOrNone(
  { arrivals }: TaskHost,
  coming: readonly Promise<ReceivedTop>[],
): Promise<StreamCounts[]> {
  try {
    return (await Promise.all(coming)).map(({ counts }) => counts);
  } catch (error) {
    const came = (await Promise.allSettled(coming)).flatMap((each) =>
      each.status === 'fulfilled' ? [each.value.arrived] : [],
    );
    for (const each of came) await arrivals.drop(each);
    throw error;
  }
}

/** From now on others may count on the base layers that the VM's migration brought. */
export async function announceBases(host: TaskHost, run: TaskRun, chains: readonly ArrivedChain[]): Promise<void> {
  const paths = new Set(chains.flatMap(({ bases }) => bases.map(({ path }) => path)));
  const brought = host.brought.all().filter(({ path }) => paths.has(path));
  if (brought.length === 0) return;
  await announce(host, run, { has: [...new Set(brought.map(({ layerId }) => layerId))] });
  for (const layer of brought) await host.brought.keep(layer);
}

/** What an earlier attempt brought and read back. */
export function findArrived({ arrivals }: TaskHost, { migration, chain }: FollowInput): Waiting | undefined {
  return arrivals.waiting().find((each) => each.migration === migration && each.name === chain.vm);
}

/** A disk that has arrived, and the layers that it lies on, bottom first. */
export interface ArrivedChain {
  readonly top: ArrivedTop;
  readonly bases: readonly KnownLayer[];
}

/** The chains of a VM that has arrived, disk after disk, their base layers unchanged up to now. Errors: LAYER_LOST. */
export async function chainsOf(
  host: TaskHost,
  run: TaskRun,
  { chain }: FollowInput,
  { disks }: Waiting,
): Promise<ArrivedChain[]> {
  const chains: ArrivedChain[] = [];
  for (const { disk } of disksOf(chain.layers)) {
    const top = disks.find((each) => each.vm.disk === disk)!;
    chains.push({ top, bases: await basesUnder(host, run, top) });
  }
  return chains;
}

async function basesUnder(host: TaskHost, run: TaskRun, { layer }: ArrivedTop): Promise<KnownLayer[]> {
  const bases: KnownLayer[] = [];
  for (let over: Pick<KnownLayer, 'below' | 'parent'> = layer; over.below !== null; over = bases[0]!) {
    const known = await host.catalog.lookup(over.below, layer.chunkBytes);
    if (known === undefined || known.layerId !== over.parent) throw await layerLost(host, run, over.parent!);
    bases.unshift(known);
  }
  return bases;
}

/** Tells what this side holds of the VM. */
export async function storeReceipt(
  host: TaskHost,
  { task, attempt, signal }: TaskRun,
  { migration, chain, chunk_bytes: chunkBytes }: FollowInput,
  chains: readonly ArrivedChain[],
): Promise<void> {
  const layers: ReceiptLayer[] = chains.flatMap(({ top, bases }) =>
    [...bases, top.layer].map((layer) => ({ ...ofDisk(top.vm.disk), ...receiptLayer(layer, migration) })),
  );
  const side = 'destination';
  const receipt: Receipt = { vm: chain.vm, migration, side, chunkBytes, layers, atMs: host.clock.nowMs() };
  await host.api.call('storeReceipt', { params: { task }, body: { attempt, receipt: sendable(receipt) }, signal });
}
