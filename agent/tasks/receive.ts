import { basename } from 'node:path';
import type { LayerTransfer, StreamCounts } from '../../core/api/tasks.ts';
import { LayerMoverError } from '../../core/errors.ts';
import { onceBegun } from '../flow/once-begun.ts';
import { type Arrival, type Arrived, type ArrivedLayer, partialPath, type Waiting } from '../images/arrivals.ts';
import { assertRoom, diskFull, isFull } from '../images/room.ts';
import { topOf, withChain } from './chains.ts';
import type { HeldLayer } from './held-layer.ts';
import { forgetManifest, scanAt } from './know.ts';
import { pullInto, type Rounds, type Wanted } from './pull-into.ts';
import type { TaskHost, TaskRun } from './task.ts';

/**
 * Brings a layer into a new file under a name that is reserved for it, reads it back, and notes it as arrived. If that
 * fails nothing of it stays but a base layer's manifest. `pulled` is told of a base layer when only reading it back is left, and may have that wait.
 * Errors: DISK_FULL, READBACK_DIFFERS, those of pullLayer, of creating images and of reading.
 */
export async function receiveLayer(
  host: TaskHost,
  run: TaskRun,
  wanted: Wanted,
  pulled: (layer: HeldLayer) => unknown = () => undefined,
): Promise<{ arrived: Arrived; counts: StreamCounts }> {
  const { migration, transfer, vm } = wanted;
  const { name, data_bytes: bytes } = transfer.layer;
  const room = { files: host.images.files, folder: host.images.path, name, bytes };
  await assertRoom(room);
  const arrival = await host.arrivals.reserve(name, migration, vm);
  try {
    return await inPlace(host, run, wanted, async (rounds, leave) => {
      const { layerId, counts } = await pullInto(host, run, { ...wanted, rounds }, partialPath(arrival));
      // What is read back takes no part of the link any more.
      leave();
      await pulled(heldLayer(transfer, arrival, layerId));
      const layer = await arrivedLayer(host, run, wanted, arrival, transfer.layer.layer_id ?? layerId);
      return { arrived: await host.arrivals.arrived(arrival, layer), counts };
    });
  } catch (error) {
    await host.arrivals.drop(arrival);
    throw isFull(error) ? await diskFull(room, error) : error;
  }
}

/** A place is for what has begun to come: one that waits for its source keeps no other waiting. */
function inPlace<T>(
  { news, places }: TaskHost,
  { signal }: TaskRun,
  { migration, run, transfer }: Wanted,
  work: (rounds: Rounds, leave: () => void) => Promise<T>,
): Promise<T> {
  const { layer_id: layerId } = transfer.layer;
  const withPlace = (rounds: Rounds) => places.destination(signal, (leave) => work(rounds, leave));
  if (transfer.stored && layerId !== undefined) return withPlace({ layerId });
  return onceBegun((until) => news.rounds({ migration, run, stream: transfer.stream }, until), signal, withPlace);
}

function heldLayer({ layer }: LayerTransfer, arrival: Arrival, layerId: string): HeldLayer {
  const { virtual_bytes: virtualBytes, container } = layer;
  return { layerId, path: arrival.path, partial: partialPath(arrival), virtualBytes, container };
}

/** What an arriving file holds, read back. Errors: READBACK_DIFFERS and those of reading. */
async function arrivedLayer(
  host: TaskHost,
  run: TaskRun,
  { migration, chunkBytes, transfer, below, vm }: Wanted,
  arrival: Arrival,
  layerId: string,
): Promise<ArrivedLayer> {
  const { kind, container } = transfer.layer;
  const scannedMs = host.clock.nowMs();
  const known = {
    layerId,
    chunkBytes,
    role: vm === undefined ? 'base' : 'top',
    kind,
    name: basename(arrival.path),
    parent: below?.layerId ?? null,
    below: below?.path ?? null,
    container,
    migration,
    scannedMs,
  } as const;
  return { ...known, ...(await readBack(host, run, arrival, known)) };
}

/**
 * Opens an arriving file like any image, and fingerprints it as its source did. Errors: READBACK_DIFFERS if that does
 * not give the layer id that is expected, and those of reading.
 */
async function readBack(
  host: TaskHost,
  { signal }: TaskRun,
  arrival: Arrival,
  { layerId, chunkBytes, parent, container }: Pick<ArrivedLayer, 'layerId' | 'chunkBytes' | 'parent' | 'container'>,
): Promise<{ virtualBytes: number; dataBytes: number }> {
  const image = { path: partialPath(arrival), topFormat: container.format };
  return withChain(host.images, image, async (chain) => {
    const layer = topOf(chain);
    const found = await scanAt(host, { layer, parent, chunkBytes, signal });
    if (found.layerId !== layerId) {
      await forgetManifest(host, found.layerId);
      throw readbackDiffers(arrival, layerId, found.layerId);
    }
    if (arrival.vm !== undefined) await forgetManifest(host, layerId);
    return { virtualBytes: layer.virtualBytes, dataBytes: found.dataBytes };
  });
}

/** Reads back all disks of a VM that has arrived. Errors: those of readBack. */
export function readBackVm(host: TaskHost, run: TaskRun, { disks }: Waiting): Promise<void> {
  return host.places.destination(run.signal, async () => {
    for (const disk of disks) await readBack(host, run, disk, disk.layer);
  });
}

/** A file that was written is not what the source sent. */
export function readbackDiffers({ path }: Arrival, expected: string, found: string): LayerMoverError {
  return new LayerMoverError('READBACK_DIFFERS', `${path} holds something else than was sent`, {
    hint: 'look into the kernel log for this host’s disk and memory; the source still owns the VM',
    data: { path, expected, found },
  });
}
