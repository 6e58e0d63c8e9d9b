import type { LayerView } from '../../core/api/views.ts';

/** Where the raw bytes of one layer came from, and what crossed the wire for them. Bytes; all but `wire` add up to the layer's. */
export interface Flow {
  /** The destination had the layer. */
  readonly skipped: number;
  /** Another VM of the migration brings the layer: told there. */
  readonly elsewhere: number;
  /** The store, or an earlier part of the same stream, had these chunks. */
  readonly known: number;
  /** Sent, before compression. */
  readonly sent: number;
  /** Not moved: the migration ended before, or goes on. */
  readonly open: number;
  /** Packs, manifests and fingerprints. */
  readonly wire: number;
}

const NONE: Flow = { skipped: 0, elsewhere: 0, known: 0, sent: 0, open: 0, wire: 0 };

/** `moved`: the layer's VM is committed, so nothing of it is open. */
export function flowOf(layer: LayerView, moved: boolean): Flow {
  const all = layer.logical_bytes;
  if (layer.shared) return { ...NONE, elsewhere: all };
  if (layer.treatment === 'skip') return { ...NONE, skipped: all };
  const wire = layer.wire_bytes;
  if (layer.stored) {
    const known = moved ? all : Math.min(all, layer.done_bytes);
    return { ...NONE, known, open: all - known, wire };
  }
  const handled = moved ? all : Math.min(all, layer.handled_bytes);
  const known = Math.min(handled, layer.deduped_bytes);
  return { ...NONE, known, sent: handled - known, open: all - handled, wire };
}

export function sumOf(flows: readonly Flow[]): Flow {
  const sum = (key: keyof Flow): number => flows.reduce((all, flow) => all + flow[key], 0);
  return {
    skipped: sum('skipped'),
    elsewhere: sum('elsewhere'),
    known: sum('known'),
    sent: sum('sent'),
    open: sum('open'),
    wire: sum('wire'),
  };
}
