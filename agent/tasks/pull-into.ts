import { relative } from 'node:path';
import type { LayerTransfer, StreamCounts } from '../../core/api/tasks.ts';
import { geometryOf } from '../../core/chunk.ts';
import { LayerMoverError } from '../../core/errors.ts';
import { fromHex, NO_DIGEST } from '../../core/fingerprint.ts';
import { createQcow2, createRaw, type DiskWriter } from '../disk/writer.ts';
import type { Arrival } from '../images/arrivals.ts';
import type { ImageFolder } from '../images/image-folder.ts';
import { type PullJob, pullLayer } from '../pull/pull-layer.ts';
import { type Below, type HeldLayer, overBelow } from './held-layer.ts';
import { createMeter } from './meter.ts';
import { withOwnChunks } from './own-chunks.ts';
import { createSource } from './source.ts';
import type { TaskHost, TaskRun } from './task.ts';

/** A layer that is to be brought. */
export interface Wanted {
  readonly migration: string;
  /** Of the migration: what earlier ones told may no longer be so. */
  readonly run: number;
  readonly chunkBytes: number;
  readonly transfer: LayerTransfer;
  /** The layer below; undefined for a bottom layer. */
  readonly below: HeldLayer | undefined;
  /** For a top layer. */
  readonly vm?: Arrival['vm'];
  /** For a base layer: the one that was pulled before it, which may still be being read back. What they share is taken from it. */
  readonly before?: HeldLayer | undefined;
}

export type Rounds = PullJob['rounds'];
type Coming = Wanted & { readonly rounds: Rounds };
type Pulled = { readonly layerId: string; readonly counts: StreamCounts };

/** The file that a layer comes into, and what its chunks are taken from and noted in. */
interface Into extends Pick<PullJob, 'own' | 'manifest'> {
  readonly path: string;
  readonly below: Below | undefined;
}

/**
 * Brings a layer into a new file at `path`, complete and on disk in the end; a base layer's manifest is here then, too. If that
 * fails nothing of it stays. Errors: those of createLike, pullLayer and the writer.
 */
export function pullInto(host: TaskHost, run: TaskRun, wanted: Coming, path: string): Promise<Pulled> {
  const pull = wanted.vm === undefined ? pullBase : pullFrom;
  return overBelow(host.images, wanted.below, (below) => pull(host, run, wanted, { path, below }));
}

/**
 * Base layers share chunks with others that are here, and those that come after them with them: that takes a manifest, for which
 * nobody waits until the layer was read back. A VM's own disk has little of them.
 */
async function pullBase(host: TaskHost, run: TaskRun, wanted: Coming, into: Into): Promise<Pulled> {
  const manifest = await host.manifests.draft(geometryFor(wanted), parentOf(wanted));
  try {
    const pulled = await withOwnChunks(host, wanted, (own) => pullFrom(host, run, wanted, { ...into, own, manifest }));
    await manifest.seal();
    return pulled;
  } catch (error) {
    await manifest.discard();
    throw error;
  }
}

async function pullFrom(host: TaskHost, run: TaskRun, wanted: Coming, { path, below, ...own }: Into): Promise<Pulled> {
  const { migration, transfer, rounds } = wanted;
  const { name, data_bytes: totalBytes } = transfer.layer;
  const meter = createMeter(host.clock, run, transfer.stream);
  const writer = await createLike(transfer, path, host.images, below);
  try {
    const pulled = await pullLayer({
      ...own,
      name,
      geometry: geometryFor(wanted),
      parent: parentOf(wanted),
      rounds,
      source: createSource(host, run, migration, transfer),
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

function geometryFor({ chunkBytes, transfer }: Wanted) {
  return geometryOf(transfer.layer.virtual_bytes, chunkBytes);
}

function parentOf({ below }: Wanted): Uint8Array {
  return below === undefined ? NO_DIGEST : fromHex(below.layerId);
}

/** A new image whose container is as the source's. Errors: CONTAINER_REFUSED and those of the writers. */
export function createLike(
  { layer: { container, virtual_bytes: virtualBytes, name } }: LayerTransfer,
  path: string,
  folder: ImageFolder,
  below: Below | undefined,
): Promise<DiskWriter> {
  if (container.format === 'qcow2') {
    const { cluster_bytes: clusterBytes, version = 3 } = container;
    const backing =
      below === undefined
        ? {}
        : { backing: { name: relative(folder.path, below.path), format: below.disk.format, chain: below.disk } };
    return createQcow2(path, { virtualBytes, clusterBytes, version, ...backing }, folder.files);
  }
  if (below === undefined) return createRaw(path, { virtualBytes }, folder.files);
  throw new LayerMoverError('CONTAINER_REFUSED', `${name} is a raw image and can lie on no other`, {
    data: { name, below: below.path },
  });
}
