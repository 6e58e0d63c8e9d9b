import { limits } from '../limits.ts';
import { CALL_DOLLARS, PRICES, STEP_DOLLARS } from '../prices.ts';
import type { Prediction } from './predict.ts';

/** A part of what something costs, in US dollars. */
export interface Cost {
  readonly item: string;
  readonly dollars: number;
}

const GB = 1e9;

/** What is stored, looked up, and fetched. */
export interface Moved {
  readonly packs: number;
  readonly pulledBytes: number;
  /** Chunks that get index rows, one in `limits.index_sampling_default`. */
  readonly indexedChunks: number;
  /** Segments of the layers, whose placements and manifests are stored and fetched. */
  readonly segments: number;
  /** Batches of fingerprints. */
  readonly lookups: number;
  /** Bytes that stay in the store. */
  readonly keptBytes: number;
}

/** What moving costs on AWS by the price list, item by item; the destination is outside of the region. */
export function costOf({ packs, ...moved }: Moved): Cost[] {
  const { index_sampling_default, uploads_in_flight, frame_raw_bytes_max } = limits;
  const puts = packs + 2 * packs * uploads_in_flight;
  const gets = Math.ceil(moved.pulledBytes / frame_raw_bytes_max) + 2 * moved.segments;
  const rows = moved.indexedChunks / index_sampling_default;
  return [
    { item: 'traffic out of the region', dollars: (moved.pulledBytes / GB) * PRICES.egressGb },
    { item: `${puts} PUTs of packs, segments, placements`, dollars: puts * PRICES.objectPut },
    { item: `${gets} GETs`, dollars: gets * PRICES.objectGet },
    { item: `${Math.ceil(rows)} index rows`, dollars: rows * PRICES.tableWriteUnit },
    { item: 'calls of the API: batches, packs, rounds', dollars: (moved.lookups + 2 * packs) * CALL_DOLLARS },
    { item: 'keeping it for a month', dollars: (moved.keptBytes / GB) * PRICES.objectGbMonth },
  ];
}

/** States of the workflow, and calls of two agents that poll, for a migration of so many VMs: an estimate, on the high side. */
const STEPS = { migration: 6, vm: 7 };
const POLLS_PER_SECOND = 4;

/** What a migration costs: its layers as predicted, its workflow, and the polls of its hosts for as long as it takes. */
export function costOfMigration(
  predictions: readonly Prediction[],
  { vms, hosts, chunkBytes, milliseconds }: { vms: number; hosts: number; chunkBytes: number; milliseconds: number },
): Cost[] {
  const sum = (of: (each: Prediction) => number) => predictions.reduce((all, each) => all + of(each), 0);
  const dedup = predictions.filter(({ treatment }) => treatment === 'dedup');
  const newChunks = dedup.reduce((all, { packedRawBytes }) => all + packedRawBytes / chunkBytes, 0);
  const segments = sum(({ pulledBytes }) => Math.ceil(pulledBytes / chunkBytes / limits.segment_chunks));
  const steps = STEPS.migration + STEPS.vm * vms;
  const polls = Math.ceil((POLLS_PER_SECOND * hosts * milliseconds) / 1000);
  return [
    ...costOf({
      packs: Math.ceil(sum((each) => each.packs)),
      pulledBytes: sum(({ pulledBytes }) => pulledBytes),
      indexedChunks: newChunks,
      segments,
      lookups: sum(({ lookups }) => lookups),
      keptBytes: dedup.reduce((all, { packBytes }) => all + packBytes, 0),
    }),
    { item: `${steps} steps of the workflow, ${polls} polls`, dollars: steps * STEP_DOLLARS + polls * CALL_DOLLARS },
  ];
}
