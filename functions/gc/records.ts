import { hasCode, LayerMoverError } from '../../core/errors.ts';
import { fromHex, isNone, sameDigest, sha256, toHex } from '../../core/fingerprint.ts';
import { decodeRoot, segmentIdAt } from '../../core/format/root.ts';
import { limits } from '../../core/limits.ts';
import type { LayerRecord } from '../../core/records.ts';
import type { Page } from './page.ts';

const DAY_MS = 24 * 3600_000;

/**
 * Goes through the layers that are recorded: their roots and segments are needed. One that nobody uses any more is
 * withdrawn; in this run what it names still counts as needed.
 */
export async function markRecords(page: Page, after?: string): Promise<string | undefined> {
  const { deps, namespace } = page;
  for (let last = after; ; ) {
    const layers = await deps.layers.list(namespace, limits.collection_in_flight, last);
    await Promise.all(layers.map((layer) => markLayer(page, layer)));
    last = layers.at(-1)?.layerId;
    if (layers.length < limits.collection_in_flight) return undefined;
    if (page.isOver) return last;
  }
}

async function markLayer(page: Page, layer: LayerRecord): Promise<void> {
  page.need('layers', layer.layerId);
  const root = await readRoot(page, layer);
  // A rebuild withdrew it between the list and the look.
  if (root === undefined) return;
  for (let at = 0; at < root.geometry.segments; at++) {
    const id = segmentIdAt(root, at);
    if (!isNone(id)) page.need('segments', toHex(id));
  }
  if ((await isUnused(page, layer)) && (page.isDry || (await page.deps.layers.retire(page.namespace, layer))))
    page.counts.layersWithdrawn++;
  else page.counts.layersKept++;
}

async function isUnused({ deps, namespace, run }: Page, layer: LayerRecord): Promise<boolean> {
  const { layerId, recordedMs, usedMs = recordedMs } = layer;
  if (run.startedMs - Math.max(recordedMs, usedMs) < deps.layerUnusedDays * DAY_MS) return false;
  return (await deps.layers.holders(namespace, layerId)).length === 0;
}

/** Without its root nobody can tell what a layer needs: then nothing at all may be removed. */
async function readRoot(page: Page, { layerId, name }: LayerRecord) {
  const read = () => page.deps.objects.get(page.keyOf('layers', layerId), { bytesMax: limits.root_bytes_max });
  try {
    const bytes = await read();
    if (sameDigest(sha256(bytes), fromHex(layerId))) return decodeRoot(bytes);
  } catch (error) {
    if (!hasCode(error, 'OBJECT_MISSING', 'OBJECT_TOO_LARGE')) throw error;
  }
  if ((await page.deps.layers.find(page.namespace, layerId)) === undefined) return undefined;
  throw storeDamaged(`the root of layer ${name} is gone or damaged`, { layer: layerId });
}

export function storeDamaged(what: string, data: Readonly<Record<string, string>>): LayerMoverError {
  return new LayerMoverError('COLLECTION_UNSURE', `${what}: nobody can tell what is garbage`, {
    hint: '`layermover index rebuild --check` takes out what is damaged; then collect again',
    data,
  });
}
