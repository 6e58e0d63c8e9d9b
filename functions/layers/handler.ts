import pLimit from 'p-limit';
import type { CloudPorts } from '../../adapters/cloud-ports.ts';
import { PUBLIC_NAMESPACE } from '../../core/api/names.ts';
import type { StoredLayerView } from '../../core/api/views.ts';
import { limits } from '../../core/limits.ts';
import type { LayerRecord } from '../../core/records.ts';
import type { Telling } from '../cloud.ts';
import type { Call } from '../rest/call.ts';
import { createRestHandler, type RestHandler } from '../rest/handler.ts';
import { matchesIn } from './match.ts';
import { layerUnknown } from './refusals.ts';
import { withdraw } from './withdraw.ts';

export interface LayerDeps extends Pick<CloudPorts, 'hosts' | 'layers' | 'objects'>, Pick<Telling, 'log'> {}

/** What the namespace knows of base layers: what its store has, what was registered, and which hosts hold them. */
export function createHandler(deps: LayerDeps): RestHandler {
  return createRestHandler(
    'layers',
    {
      listLayers: (call) => list(deps, call),
      getLayer: (call) => get(deps, call),
      matchLayers: (call) => match(deps, call),
      withdrawLayer: (call) => withdraw(deps, call),
    },
    deps,
  );
}

async function list(deps: LayerDeps, { namespace, query }: Call<'listLayers'>) {
  const { limit, after, published } = query;
  const page = published ? await deps.layers.list(PUBLIC_NAMESPACE, limit, after) : await known(deps, namespace, query);
  const views = await pLimit(limits.queries_in_flight).map(page, (layer) => viewOf(deps, namespace, layer));
  return { layers: views, ...(page.length < limit ? {} : { next: page.at(-1)!.layerId }) };
}

/** Layers that are stored or registered, by id: both lists are in that order. */
async function known(
  { layers }: LayerDeps,
  namespace: string,
  { limit, after }: Call<'listLayers'>['query'],
): Promise<LayerRecord[]> {
  const both = await Promise.all([layers.registered(namespace, limit, after), layers.list(namespace, limit, after)]);
  const byId = new Map(both.flat().map((layer) => [layer.layerId, layer]));
  return [...byId.values()].sort((a, b) => (a.layerId < b.layerId ? -1 : 1)).slice(0, limit);
}

async function get(deps: LayerDeps, { namespace, path: { layer: id } }: Call<'getLayer'>): Promise<StoredLayerView> {
  const layer =
    (await deps.layers.find(namespace, id)) ??
    (await deps.layers.findRegistered(namespace, id)) ??
    (await deps.layers.find(PUBLIC_NAMESPACE, id));
  if (layer === undefined) throw layerUnknown(id);
  return await viewOf(deps, namespace, layer);
}

/** Published layers are held against the sample, too. */
async function match(deps: LayerDeps, { namespace, body }: Call<'matchLayers'>) {
  const { matches, passedOver } = await matchesIn(deps, [namespace, PUBLIC_NAMESPACE], body);
  const layers = await pLimit(limits.queries_in_flight).map(matches, async ({ layer, matched }) => {
    return { layer: await viewOf(deps, namespace, layer), matched };
  });
  return { layers, passed_over: passedOver };
}

async function viewOf({ layers }: LayerDeps, namespace: string, layer: LayerRecord): Promise<StoredLayerView> {
  const [stored, published, holders] = await Promise.all([
    layers.find(namespace, layer.layerId),
    layers.find(PUBLIC_NAMESPACE, layer.layerId),
    layers.holders(namespace, layer.layerId),
  ]);
  return {
    layer_id: layer.layerId,
    parent: layer.parent,
    kind: layer.kind,
    name: layer.name,
    virtual_bytes: layer.virtualBytes,
    chunk_bytes: layer.chunkBytes,
    logical_bytes: layer.dataBytes,
    recorded_ms: layer.recordedMs,
    stored: stored !== undefined,
    published: published !== undefined,
    holders,
  };
}
