import type { StreamCounts, TaskInput, TaskResult } from '../../core/api/tasks.ts';
import { LayerMoverError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import type { Receipt, ReceiptLayer } from '../../core/receipt.ts';
import type { KnownLayer } from '../catalog/catalog.ts';
import type { ArrivedLayer, Waiting } from '../images/arrivals.ts';
import { announce, baseOf, layerLost } from './fetch.ts';
import { vmOutcome } from './outcome.ts';
import { receiptLayer, sendable } from './receipts.ts';
import { readBack, receiveLayer } from './receive.ts';
import { settle } from './settle.ts';
import type { TaskHost, TaskRun } from './task.ts';

type FollowInput = Extract<TaskInput, { kind: 'follow' }>;

/**
 * Pulls a VM's top layer as its source sends it, reads it back and tells what the whole chain holds. The file gets its
 * name when the source has committed the VM, and goes if the VM is rolled back; the task ends with that.
 * Errors: LAYER_LOST, ROLLED_BACK and those of receiveLayer.
 */
export async function follow(host: TaskHost, run: TaskRun, input: FollowInput): Promise<TaskResult> {
  const { migration, chain } = input;
  const early = findArrived(host, input);
  // An attempt before this one may have ended with the VM here and not come to report it.
  const outcome = run.attempt > 1 ? await vmOutcome(host.api, migration, chain.vm, run.signal) : 'moving';
  if (outcome === 'committed' && early === undefined) return { kind: 'follow', streams: [] };
  const streams = early === undefined ? [await receiveTop(host, run, input)] : [];
  // What an earlier attempt brought must still be what that attempt read back.
  if (early !== undefined) await host.places.destination(run.signal, () => readBack(host, run, early, early.layer));
  const arrived = early ?? findArrived(host, input)!;
  const bases = await basesUnder(host, run, arrived.layer);
  await storeReceipt(host, run, input, [...bases, arrived.layer]);
  await untilSettled(host, run, arrived);
  await announceBases(host, run, bases);
  return { kind: 'follow', streams };
}

/** From now on others may count on the base layers that the VM's migration brought. */
async function announceBases(host: TaskHost, run: TaskRun, bases: readonly KnownLayer[]): Promise<void> {
  const has = bases.map(({ layerId }) => layerId).filter((layerId) => host.brought.has(layerId));
  if (has.length === 0) return;
  await announce(host, run, { has });
  for (const layerId of has) await host.brought.keep(layerId);
}

function findArrived({ arrivals }: TaskHost, { migration, chain }: FollowInput): Waiting | undefined {
  return arrivals.waiting().find((each) => each.migration === migration && each.vm.name === chain.vm);
}

async function receiveTop(host: TaskHost, run: TaskRun, input: FollowInput): Promise<StreamCounts> {
  const { migration, run: migrationRun, chunk_bytes: chunkBytes, chain } = input;
  const transfer = chain.layers.at(-1)!;
  const below = await baseOf(host, run, transfer);
  const vm = { name: chain.vm, kinds: chain.layers.map(({ layer }) => layer.kind) };
  const { counts } = await receiveLayer(host, run, { migration, run: migrationRun, chunkBytes, transfer, below, vm });
  return counts;
}

/** The layers that a top layer lies on, bottom first, unchanged up to now. Errors: LAYER_LOST. */
async function basesUnder(host: TaskHost, run: TaskRun, top: ArrivedLayer): Promise<KnownLayer[]> {
  const bases: KnownLayer[] = [];
  for (let over = top; over.below !== null; over = bases[0]!) {
    const known = await host.catalog.lookup(over.below, top.chunkBytes);
    if (known === undefined || known.layerId !== over.parent) throw await layerLost(host, run, over.parent!);
    bases.unshift(known);
  }
  return bases;
}

async function storeReceipt(
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

/** Waits for the source's commit. Short waits are noticed soon, long ones cost few calls. Errors: ROLLED_BACK. */
async function untilSettled(host: TaskHost, { signal }: TaskRun, arrived: Waiting): Promise<void> {
  const sinceMs = host.clock.nowMs();
  for (;;) {
    const outcome = await settle(host, arrived, signal);
    if (outcome === 'committed') return;
    if (outcome === 'rolled-back') {
      throw new LayerMoverError('ROLLED_BACK', `${arrived.vm.name} stays with its source`);
    }
    const waitMs = (host.clock.nowMs() - sinceMs) / limits.poll_wait_share;
    await host.clock.sleep(Math.min(limits.poll_idle_ms, Math.max(limits.poll_fast_ms, waitMs)), signal);
  }
}
