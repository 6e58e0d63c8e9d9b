import type { TaskInput, TaskResult } from '../../core/api/tasks.ts';
import { disksOf } from '../../core/disks.ts';
import type { Files } from '../../core/files.ts';
import { assertAgreed, type Receipt } from '../../core/receipt.ts';
import { type FileIdentity, identitiesOf, sameFiles } from '../catalog/identity.ts';
import { assertNotHeld } from '../disk/held.ts';
import type { Chain } from '../disk/layer.ts';
import { cutoverLive } from '../live/source/cutover-live.ts';
import { withChains } from './chains.ts';
import { commitVm } from './commit.ts';
import { vmOutcome } from './outcome.ts';
import { layerChanged } from './send.ts';
import { type SentDisk, sendDisk } from './send-disk.ts';
import type { TaskHost, TaskRun } from './task.ts';

type CutoverInput = Extract<TaskInput, { kind: 'cutover' }>;

/**
 * Pushes the top layers of a stopped VM, waits for the destination's receipt and commits, if both sides hold the same
 * and nobody has touched the images meanwhile. Until then the VM is the source's. A running VM is handed over.
 * Errors: IMAGE_HELD, LAYER_CHANGED, RECEIPTS_DIFFER, EPOCH_STALE and those of sendLayer.
 */
export async function cutover(host: TaskHost, run: TaskRun, input: CutoverInput): Promise<TaskResult> {
  if (input.live !== undefined) return cutoverLive(host, run, { ...input, live: input.live });
  const { migration, chain: wanted } = input;
  // An attempt before this one may have committed and not come to report it.
  const outcome = run.attempt > 1 ? await vmOutcome(host.api, migration, wanted.vm, run.signal) : 'moving';
  if (outcome === 'committed') return { kind: 'cutover', streams: [] };
  const disks = disksOf(wanted.layers);
  const image = await host.images.find(wanted.vm);
  const tops = disks.map(({ disk }) => image.disks.find((each) => each.disk === disk)?.top);
  if (image.disks.length !== disks.length || tops.includes(undefined)) throw layerChanged(image.disks[0]!.top);
  return withChains(host.images, tops as string[], async (chains) => {
    const all = chains.flatMap((chain) => chain.layers);
    const before = await identities(all);
    await assertNoneHeld(chains, host.images.files);
    const sent: SentDisk[] = [];
    for (const [at, chain] of chains.entries()) sent.push(await sendDisk(host, run, input, disks[at]!, chain));
    const own: Receipt = {
      vm: wanted.vm,
      migration,
      side: 'source',
      chunkBytes: input.chunk_bytes,
      layers: sent.flatMap(({ layers }) => layers),
      atMs: host.clock.nowMs(),
    };
    assertAgreed(own, await host.news.receipt(migration, wanted.vm, run.signal));
    await assertNoneHeld(chains, host.images.files);
    await assertSame(all, before);
    await commitVm(host, run, input, own);
    return { kind: 'cutover', streams: sent.flatMap(({ counts }) => counts) };
  });
}

async function assertNoneHeld(chains: readonly Chain[], files: Files): Promise<void> {
  for (const { layers } of chains) await assertNotHeld(layers, files);
}

type Identities = readonly (readonly (FileIdentity | undefined)[])[];
type Layers = Chain['layers'];

function identities(layers: Layers): Promise<Identities> {
  return Promise.all(layers.map(identitiesOf));
}

async function assertSame(layers: Layers, before: Identities): Promise<void> {
  const now = await identities(layers);
  const changed = layers.find((_, depth) => !sameFiles(before[depth]!, now[depth]!));
  if (changed !== undefined) throw layerChanged(changed.path);
}
