import pLimit from 'p-limit';
import type { CloudPorts } from '../../adapters/cloud-ports.ts';
import { LayerMoverError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import type { LayerRecord } from '../../core/records.ts';
import type { Telling } from '../cloud.ts';
import { createRestHandler, type RestHandler } from '../rest/handler.ts';
import { matchesIn } from './match.ts';

export interface LayerDeps extends Pick<CloudPorts, 'hosts' | 'layers' | 'objects'>, Pick<Telling, 'log'> {}

/** What the namespace's store has, and which hosts hold it. */
export function createHandler(deps: LayerDeps): RestHandler {
  const { layers } = deps;
  const asking = pLimit(limits.queries_in_flight);

  async function view(namespace: string, layer: LayerRecord) {
    return {
      layer_id: layer.layerId,
      parent: layer.parent,
      kind: layer.kind,
      name: layer.name,
      virtual_bytes: layer.virtualBytes,
      chunk_bytes: layer.chunkBytes,
      logical_bytes: layer.dataBytes,
      recorded_ms: layer.recordedMs,
      holders: await layers.holders(namespace, layer.layerId),
    };
  }

  return createRestHandler(
    'layers',
    {
      async listLayers({ namespace, query: { limit, after } }) {
        const page = await layers.list(namespace, limit, after);
        const views = await asking.map(page, (layer) => view(namespace, layer));
        return { layers: views, ...(page.length < limit ? {} : { next: page.at(-1)!.layerId }) };
      },
      async getLayer({ namespace, path }) {
        const layer = await layers.find(namespace, path.layer);
        if (layer === undefined)
          throw new LayerMoverError('LAYER_UNKNOWN', `the store has no layer ${path.layer}`, {
            hint: '`layermover layer list` shows those there are',
          });
        return await view(namespace, layer);
      },
      async matchLayers({ namespace, body }) {
        const { matches, passedOver } = await matchesIn(deps, namespace, body);
        const found = await asking.map(matches, async ({ layer, matched }) => {
          return { layer: await view(namespace, layer), matched };
        });
        return { layers: found, passed_over: passedOver };
      },
    },
    deps,
  );
}
