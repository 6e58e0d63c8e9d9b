import type { TaskInput } from '../../core/api/tasks.ts';
import type { Receipt, ReceiptLayer } from '../../core/receipt.ts';
import type { KnownLayer } from '../catalog/catalog.ts';
import type { ArrivedLayer, Waiting } from '../images/arrivals.ts';
import { announce, baseOf, layerLost } from './fetch.ts';
import { receiptLayer, sendable } from './receipts.ts';
import type { Wanted } from './receive.ts';
import type { TaskHost, TaskRun } from './task.ts';

/** What a destination does with a VM that arrives, stopped or running. */
export type FollowInput = Extract<TaskInput, { kind: 'follow' }>;

/** The VM's top layer as it is to be brought. Errors: LAYER_LOST. */
export async function wantedTop(
  host: TaskHost,
  run: TaskRun,
  { migration, run: migrationRun, chunk_bytes: chunkBytes, chain }: FollowInput,
): Promise<Wanted & { readonly vm: NonNullable<Wanted['vm']> }> {
  const transfer = chain.layers.at(-1)!;
  const below = await baseOf(host, run, transfer);
  const vm = { name: chain.vm, kinds: chain.layers.map(({ layer }) => layer.kind) };
  return { migration, run: migrationRun, chunkBytes, transfer, below, vm };
}

/** From now on others may count on the base layers that the VM's migration brought. */
export async function announceBases(host: TaskHost, run: TaskRun, bases: readonly KnownLayer[]): Promise<void> {
  const has = bases.map(({ layerId }) => layerId).filter((layerId) => host.brought.has(layerId));
  if (has.length === 0) return;
  await announce(host, run, { has });
  for (const layerId of has) await host.brought.keep(layerId);
}

/** What an earlier attempt brought and read back. */
export function findArrived({ arrivals }: TaskHost, { migration, chain }: FollowInput): Waiting | undefined {
  return arrivals.waiting().find((each) => each.migration === migration && each.vm.name === chain.vm);
}

/** The layers that a top layer lies on, bottom first, unchanged up to now. Errors: LAYER_LOST. */
export async function basesUnder(host: TaskHost, run: TaskRun, top: ArrivedLayer): Promise<KnownLayer[]> {
  const bases: KnownLayer[] = [];
  for (let over = top; over.below !== null; over = bases[0]!) {
    const known = await host.catalog.lookup(over.below, top.chunkBytes);
    if (known === undefined || known.layerId !== over.parent) throw await layerLost(host, run, over.parent!);
    bases.unshift(known);
  }
  return bases;
}

/** Tells what this side holds of the VM: `layers` are the whole chain. */
export async function storeReceipt(
  host: TaskHost,
  { task, attempt, signal }: TaskRun,
  { migration, chain, chunk_bytes: chunkBytes }: FollowInput,
  layers: readonly Parameters<typeof receiptLayer>[0][],
): Promise<void> {
  const found: ReceiptLayer[] = layers.map((layer) => receiptLayer(layer, migration));
  const side = 'destination';
  const receipt: Receipt = { vm: chain.vm, migration, side, chunkBytes, layers: found, atMs: host.clock.nowMs() };
  await host.api.call('storeReceipt', { params: { task }, body: { attempt, receipt: sendable(receipt) }, signal });
}
