import pLimit from 'p-limit';
import type { CloudPorts } from '../../adapters/cloud-ports.ts';
import { geometryOf } from '../../core/chunk.ts';
import { fromHex } from '../../core/fingerprint.ts';
import { limits } from '../../core/limits.ts';
import type { LayerRecord } from '../../core/records.ts';
import type { Call } from '../rest/call.ts';
import { ManifestReader } from './manifest-reader.ts';
import { heldOver, type Sample } from './sample.ts';

export interface Match {
  readonly layer: LayerRecord;
  /** Chunks of the sample that the layer, or what it lies on, has in their places. */
  readonly matched: number;
}

/**
 * Holds a sample of a disk against the base layers of namespaces' stores: bottom layers first, then what lies on the few
 * that hold most of it, and so on. Only roots and the segments that the sample touches are read, `match_reads_max` at the
 * most; nothing is told but counts. Errors: GEOMETRY_REFUSED for a chunk size that no layer can have.
 */
export async function matchesIn(
  deps: Pick<CloudPorts, 'layers' | 'objects'>,
  namespaces: readonly string[],
  { chunk_bytes: chunkBytes, sample: asked }: Call<'matchLayers'>['body'],
): Promise<{ matches: Match[]; passedOver: number }> {
  geometryOf(0, chunkBytes);
  const sample = asked.map(({ chunk, fingerprint }) => ({ chunk, fingerprint: fromHex(fingerprint) }));
  const { records, more } = await layersOf(deps, namespaces);
  const reader = new ManifestReader(deps.objects, limits.match_reads_max);
  const found: Held[] = [];
  let seen = 0;
  let overlays = records.filter(({ parent }) => parent === null);
  let below: readonly Held[] = [];
  for (let depth = 0; depth < limits.chain_layers_max && overlays.length > 0; depth++) {
    const fitting = overlays.filter((layer) => layer.chunkBytes === chunkBytes);
    const held = await hold(reader, fitting, sample, below);
    seen += held.length;
    found.push(...held.filter(({ matched }) => matched > 0));
    below = best(held).slice(0, limits.match_branches_max);
    overlays = records.filter(({ parent }) => below.some(({ layer }) => layer.layerId === parent));
  }
  return { matches: best(found), passedOver: records.length + more - seen };
}

/** A layer, and of each chunk of the sample whether it is in its place, through what the layer lies on. */
interface Held extends Match {
  readonly layer: Stored;
  readonly flags: Uint8Array;
}

function best(held: readonly Held[]): Held[] {
  return held.filter(({ matched }) => matched > 0).sort((a, b) => b.matched - a.matched);
}

/** What can be read of these layers, the latest used first. */
async function hold(
  reader: ManifestReader,
  layers: readonly Stored[],
  sample: Sample,
  below: readonly Held[],
): Promise<Held[]> {
  const latest = [...layers].sort((a, b) => usedMs(b) - usedMs(a));
  const held = await pLimit(limits.queries_in_flight).map(latest, async (layer) => {
    const parent = below.find((each) => each.layer.layerId === layer.parent)?.flags;
    const flags = await heldOver(reader, layer, sample, parent ?? new Uint8Array(sample.length));
    return flags && { layer, flags, matched: flags.reduce((sum, flag) => sum + flag, 0) };
  });
  return held.filter((each) => each !== undefined);
}

function usedMs({ usedMs, recordedMs }: LayerRecord): number {
  return usedMs ?? recordedMs;
}

/** A layer, and whose store has it. */
type Stored = LayerRecord & { readonly namespace: string };

/** Their layers, each once, `match_layers_max` at the most; `more` is 1 if there are others. */
async function layersOf({ layers }: Pick<CloudPorts, 'layers'>, namespaces: readonly string[]) {
  const records = new Map<string, Stored>();
  for (const namespace of namespaces) {
    for (let after: string | undefined, more = true; more; ) {
      if (records.size >= limits.match_layers_max) return { records: [...records.values()], more: 1 };
      const wanted = Math.min(limits.page_items_max, limits.match_layers_max - records.size);
      const page = await layers.list(namespace, wanted, after);
      for (const layer of page) records.set(layer.layerId, records.get(layer.layerId) ?? { ...layer, namespace });
      after = page.at(-1)?.layerId;
      more = page.length === wanted;
    }
  }
  return { records: [...records.values()], more: 0 };
}
