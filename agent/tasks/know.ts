import { hasCode } from '../../core/errors.ts';
import { fromHex, NO_DIGEST } from '../../core/fingerprint.ts';
import { limits } from '../../core/limits.ts';
import type { KnownLayer } from '../catalog/catalog.ts';
import { identitiesOf } from '../catalog/identity.ts';
import type { DiskLayer } from '../disk/layer.ts';
import { type ScanJob, type ScannedLayer, scanLayer } from '../scan/scan-layer.ts';
import { containerOf, nameOf } from './chains.ts';
import type { TaskHost } from './task.ts';

export interface LayerToKnow {
  readonly layer: DiskLayer;
  /** The layer below; undefined for a bottom layer. */
  readonly below: KnownLayer | undefined;
  readonly chunkBytes: number;
  readonly role: KnownLayer['role'];
  readonly kind: KnownLayer['kind'];
  readonly migration: string;
  /** Called with the raw bytes read so far, if it has to be read. */
  readonly progress?: ((readBytes: number) => void) | undefined;
}

/**
 * What a layer holds: from the catalog if its file is the one it was, otherwise by reading it, once.
 * Errors: those of scanLayer.
 */
export async function knowLayer(host: TaskHost, wanted: LayerToKnow, signal: AbortSignal): Promise<KnownLayer> {
  const { layer, below, chunkBytes, role, kind, migration, progress } = wanted;
  const known = await host.catalog.lookup(layer.path, chunkBytes);
  if (known !== undefined && isOf(known, wanted) && (await hasManifest(host, known.layerId))) {
    const relabelled = { ...known, role, kind };
    if (known.role !== role || known.kind !== kind) await host.catalog.put(relabelled);
    return relabelled;
  }
  // The identity of before: if the file changes while it is read, the catalog will not take it for what was read.
  const [identity, dataIdentity] = await identitiesOf(layer);
  const [, dataPath] = layer.paths;
  const scannedMs = host.clock.nowMs();
  const scanned = await scanAt(host, { layer, parent: below?.layerId ?? null, chunkBytes, signal, progress });
  const found: KnownLayer = {
    layerId: scanned.layerId,
    path: layer.path,
    chunkBytes,
    role,
    kind,
    name: nameOf(layer),
    parent: below?.layerId ?? null,
    below: below?.path ?? null,
    virtualBytes: layer.virtualBytes,
    dataBytes: scanned.dataBytes,
    container: containerOf(layer),
    migration,
    scannedMs,
    identity: identity!,
    ...(dataPath === undefined ? {} : { dataFile: { path: dataPath, identity: dataIdentity! } }),
  };
  await host.catalog.put(found);
  return found;
}

/** Whether what is known is of the files that are open: an image may name another file than it did, by a link. */
function isOf(known: KnownLayer, { layer, below }: LayerToKnow): boolean {
  return known.parent === (below?.layerId ?? null) && known.dataFile?.path === layer.paths[1];
}

/** A manifest that is damaged goes, for the layer's file is there to make it again. */
async function hasManifest({ manifests }: TaskHost, layerId: string): Promise<boolean> {
  try {
    return (await manifests.root(layerId)) !== undefined;
  } catch (error) {
    if (!hasCode(error, 'MANIFEST_CORRUPT')) throw error;
    await manifests.remove(layerId);
    return false;
  }
}

/** Reads a layer and fingerprints it over the parent with that id; notes how fast that was. Errors: those of scanLayer. */
export async function scanAt(
  { pool, manifests, measures, clock }: Pick<TaskHost, 'pool' | 'manifests' | 'measures' | 'clock'>,
  { parent, ...job }: { parent: string | null } & Pick<ScanJob, 'layer' | 'chunkBytes' | 'signal' | 'progress'>,
): Promise<ScannedLayer> {
  const beganMs = clock.nowMs();
  const found = await scanLayer({ ...job, pool, manifests, parent: parent === null ? NO_DIGEST : fromHex(parent) });
  const { dataBytes } = found;
  if (dataBytes >= limits.rate_sample_bytes_min)
    measures.note('hash', (1000 * dataBytes) / (clock.nowMs() - beganMs), dataBytes);
  return found;
}

/**
 * Removes a manifest that was made along the way, unless a base layer has it: of a VM's own disk, which is written to and never
 * asked for again, or of a file that did not become a layer.
 */
export async function forgetManifest(
  { arrivals, catalog, manifests }: Pick<TaskHost, 'arrivals' | 'catalog' | 'manifests'>,
  layerId: string,
): Promise<void> {
  // In this order: what is no arrival any more is in the catalog.
  if (arrivals.unplaced().some(({ layer }) => layer.layerId === layerId)) return;
  if ((await catalog.byLayer(layerId)) === undefined) await manifests.remove(layerId);
}
