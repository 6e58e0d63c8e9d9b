import type { LayerView } from '../../core/api/views.ts';
import { ofDisk } from '../../core/disks.ts';
import type { PlannedLayer } from '../../core/plan.ts';
import type { StreamRecord } from '../../core/records.ts';

/** What both sides counted of each stream. */
export class Counts {
  readonly #sides = new Map<string, StreamRecord>();
  readonly #told = new Set<string>();

  constructor(streams: readonly StreamRecord[]) {
    for (const each of streams) this.#sides.set(`${each.side} ${each.stream}`, each);
  }

  /** One layer of one VM. A layer that several VMs bring is sent once, and its bytes are told once: at the first of them. */
  layerView(layer: PlannedLayer): LayerView {
    const told = layer.treatment !== 'skip' && this.#told.has(layer.stream);
    this.#told.add(layer.stream);
    return {
      ...ofDisk(layer.disk),
      stream: layer.stream,
      kind: layer.kind,
      name: layer.name,
      ...(layer.layerId === undefined ? {} : { layer_id: layer.layerId }),
      treatment: layer.treatment,
      reason: layer.reason,
      shared: told,
      stored: layer.stored,
      virtual_bytes: layer.virtualBytes,
      logical_bytes: layer.dataBytes,
      ...(told ? nothing : this.#bytes(layer)),
      ...(told || layer.forecast === undefined ? {} : { forecast: layer.forecast }),
    };
  }

  #bytes({ stream, treatment, dataBytes }: PlannedLayer) {
    // What nobody has begun to send counts, too, or the whole would grow while it is watched.
    const planned = treatment === 'skip' ? 0 : dataBytes;
    const sent = this.#sides.get(`source ${stream}`);
    const arrived = this.#sides.get(`destination ${stream}`);
    return {
      wire_bytes: sent?.wireBytes ?? 0,
      stored_bytes: sent?.storedBytes ?? 0,
      deduped_bytes: sent?.dedupedBytes ?? 0,
      ...(sent?.unaskedBytes === undefined ? {} : { unasked_bytes: sent.unaskedBytes }),
      pulled_bytes: arrived?.wireBytes ?? 0,
      local_bytes: arrived?.dedupedBytes ?? 0,
      handled_bytes: sent?.doneBytes ?? 0,
      done_bytes: arrived?.doneBytes ?? 0,
      total_bytes: sent || arrived ? Math.max(sent?.totalBytes ?? 0, arrived?.totalBytes ?? 0) : planned,
      seconds: Math.max(sent?.milliseconds ?? 0, arrived?.milliseconds ?? 0) / 1000,
    };
  }
}

const nothing = {
  wire_bytes: 0,
  stored_bytes: 0,
  deduped_bytes: 0,
  pulled_bytes: 0,
  local_bytes: 0,
  handled_bytes: 0,
  done_bytes: 0,
  total_bytes: 0,
  seconds: 0,
};
