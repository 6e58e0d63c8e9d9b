import { basename, relative } from 'node:path';
import type { LayerTransfer, StreamCounts } from '../../core/api/tasks.ts';
import { geometryOf } from '../../core/chunk.ts';
import { LayerMoverError } from '../../core/errors.ts';
import { fromHex, NO_DIGEST } from '../../core/fingerprint.ts';
import type { KnownLayer } from '../catalog/catalog.ts';
import type { DiskLayer } from '../disk/layer.ts';
import { createQcow2, createRaw, type DiskWriter } from '../disk/writer.ts';
import { onceBegun } from '../flow/once-begun.ts';
import { type Arrival, type Arrived, type ArrivedLayer, partialPath, type Waiting } from '../images/arrivals.ts';
import type { ImageFolder } from '../images/image-folder.ts';
import { assertRoom, diskFull, isFull } from '../images/room.ts';
import type { OwnChunks } from '../pull/own-chunks.ts';
import { type PullJob, pullLayer } from '../pull/pull-layer.ts';
import { topOf, withChain } from './chains.ts';
import { forgetManifest, scanAt } from './know.ts';
import { createMeter } from './meter.ts';
import { withOwnChunks } from './own-chunks.ts';
import { createSource } from './source.ts';
import type { TaskHost, TaskRun } from './task.ts';

export interface Wanted {
  readonly migration: string;
  /** Of the migration: what earlier ones told may no longer be so. */
  readonly run: number;
  readonly chunkBytes: number;
  readonly transfer: LayerTransfer;
  /** The layer below, which is here; undefined for a bottom layer. */
  readonly below: KnownLayer | undefined;
  /** For a top layer. */
  readonly vm?: Arrival['vm'];
}

/**
 * Brings a layer into a new file under a name that is reserved for it, reads it back, and notes it as arrived. If that
 * fails nothing of it stays. Errors: DISK_FULL, READBACK_DIFFERS, those of pullLayer, of creating images and of reading.
 */
export async function receiveLayer(
  host: TaskHost,
  run: TaskRun,
  wanted: Wanted,
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
      const layer = await arrivedLayer(host, run, wanted, arrival, transfer.layer.layer_id ?? layerId);
      return { arrived: await host.arrivals.arrived(arrival, layer), counts };
    });
  } catch (error) {
    await host.arrivals.drop(arrival);
    throw isFull(error) ? await diskFull(room, error) : error;
  }
}

type Rounds = PullJob['rounds'];

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
  return onceBegun(news.rounds({ migration, run, stream: transfer.stream }, signal), withPlace);
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
    if (found.layerId !== layerId) throw readbackDiffers(arrival, layerId, found.layerId);
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

type Coming = Wanted & { readonly rounds: Rounds };

async function pullInto(host: TaskHost, run: TaskRun, wanted: Coming, path: string) {
  const { below } = wanted;
  if (below === undefined) return pullOver(host, run, wanted, path, undefined);
  const image = { path: below.path, topFormat: below.container.format };
  return withChain(host.images, image, (chain) => pullOver(host, run, wanted, path, topOf(chain)));
}

/** Base layers share chunks with others that are here; a VM's own disk has little of them. */
function pullOver(host: TaskHost, run: TaskRun, wanted: Coming, path: string, below: DiskLayer | undefined) {
  const pull = (own: OwnChunks | undefined) => pullFrom(host, run, wanted, { path, below, own });
  return wanted.vm === undefined ? withOwnChunks(host, wanted.chunkBytes, pull) : pull(undefined);
}

async function pullFrom(
  host: TaskHost,
  run: TaskRun,
  wanted: Coming,
  { path, below, own }: { path: string; below: DiskLayer | undefined; own: OwnChunks | undefined },
) {
  const { migration, chunkBytes, transfer } = wanted;
  const { name, virtual_bytes: virtualBytes, data_bytes: totalBytes } = transfer.layer;
  const geometry = geometryOf(virtualBytes, chunkBytes);
  const meter = createMeter(host.clock, run, transfer.stream);
  const writer = await createLike(transfer, path, host.images, below);
  try {
    const pulled = await pullLayer({
      name,
      geometry,
      parent: wanted.below === undefined ? NO_DIGEST : fromHex(wanted.below.layerId),
      rounds: wanted.rounds,
      source: createSource(host, run, migration, transfer),
      own,
      writer,
      signal: run.signal,
      totalBytes,
      zstd: host.zstd,
      unpacked: host.unpacked,
      progress: meter,
    });
    await writer.finish();
    return { layerId: pulled.layerId, counts: meter(pulled.counts) };
  } catch (error) {
    await writer.discard();
    throw error;
  }
}

/** A new image whose container is as the source's. Errors: CONTAINER_REFUSED and those of the writers. */
export function createLike(
  { layer: { container, virtual_bytes: virtualBytes, name } }: LayerTransfer,
  path: string,
  folder: ImageFolder,
  below: DiskLayer | undefined,
): Promise<DiskWriter> {
  if (container.format === 'qcow2') {
    const { cluster_bytes: clusterBytes, version = 3 } = container;
    const backing =
      below === undefined
        ? {}
        : { backing: { name: relative(folder.path, below.path), format: below.format, chain: below } };
    return createQcow2(path, { virtualBytes, clusterBytes, version, ...backing }, folder.files);
  }
  if (below === undefined) return createRaw(path, { virtualBytes }, folder.files);
  throw new LayerMoverError('CONTAINER_REFUSED', `${name} is a raw image and can lie on no other`, {
    data: { name, below: below.path },
  });
}

/** A file that was written is not what the source sent. */
export function readbackDiffers({ path }: Arrival, expected: string, found: string): LayerMoverError {
  return new LayerMoverError('READBACK_DIFFERS', `${path} holds something else than was sent`, {
    hint: 'look into the kernel log for this host’s disk and memory; the source still owns the VM',
    data: { path, expected, found },
  });
}
