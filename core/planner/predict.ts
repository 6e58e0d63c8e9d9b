import { DIGEST_BYTES } from '../fingerprint.ts';
import { limits } from '../limits.ts';
import type { Treatment } from '../treatments.ts';
import { compressedOf, duplicatesOf, type LayerFacts } from './facts.ts';
import type { Rates } from './rates.ts';

/** What moving a layer takes, by one treatment. Bytes and milliseconds. */
export interface Prediction {
  readonly treatment: Treatment;
  /** From the first read to the last byte read back at the destination. */
  readonly milliseconds: number;
  /** What the source sends: packs, manifest, fingerprints. */
  readonly wireBytes: number;
  /** What the destination fetches at the most: base layers of its own may hold some of it. */
  readonly pulledBytes: number;
  /** Raw bytes that the source packs. */
  readonly packedRawBytes: number;
  /** Of `wireBytes`, those that are packs. */
  readonly packBytes: number;
  /** Batches of fingerprints that are asked for. */
  readonly lookups: number;
  /** What each side has to do for it, and the link: what takes longest is what it waits for. */
  readonly stages: Readonly<Record<Stage, number>>;
}

export const STAGES = ['scan', 'lookup', 'compute', 'up', 'down', 'readBack'] as const;
export type Stage = (typeof STAGES)[number];

/** Batches that a push has in work at once: one is read while the next one is asked for. */
const LOOKUPS_AT_ONCE = 2;
/** Calls that a push makes one after the other at its end: pack, round; and the layer's record. */
const END_CALLS = { dedup: 3, direct: 1, skip: 0 } as const;

/**
 * Predicts a treatment by its pipeline: packs go through reading and compressing (one set of cores does both), the link up
 * and the link down, each at its rate, while the next ones are behind them; what comes before, after and beside the
 * pipeline is added, or bounds it from below.
 *
 * The break-even is the one of deduplication before a link of bandwidth B, with a duplicate share r and a rate H at which
 * duplicates are found: dedup pays while B < r·H if a layer is read to its end before the first chunk goes (serial), and while H
 * is more than the link's rate if both go at once (pipelined); after Zhang, Fu and Yahyapour, *LayerMover*, FGCS 2018. Here
 * `direct`, too, takes fingerprints, for the manifest. So a layer whose manifest is there pays for look-ups alone, which is
 * nearly always less than what they save; one that was not read yet pays for being read twice.
 */
export function predict(treatment: Treatment, facts: LayerFacts, rates: Rates): Prediction {
  if (treatment === 'skip') return NOTHING;
  const { dataBytes: raw, chunkBytes } = facts;
  const compressed = compressedOf(facts);
  const isStored = treatment === 'dedup' && facts.stored;
  const asks = treatment === 'dedup' && !isStored;
  const chunks = Math.ceil(raw / chunkBytes);
  const manifestBytes = DIGEST_BYTES * chunks;
  const lookups = asks ? Math.ceil(chunks / limits.segment_chunks) : 0;
  const packedRawBytes = isStored ? 0 : raw * (1 - (asks ? duplicatesOf(facts) : 0));
  const packBytes = packedRawBytes * compressed;
  const wireBytes = isStored ? 0 : packBytes + manifestBytes + (asks ? manifestBytes : 0);
  const pulledBytes = raw * compressed + manifestBytes;

  const scan = asks && !facts.fingerprinted ? ms(raw, rates.hash.value) : 0;
  const compute = ms(packedRawBytes, rates.hash.value) + ms(packedRawBytes, rates.compress.value);
  const up = ms(wireBytes, rates.up.value);
  const down = ms(pulledBytes, rates.down.value);
  const readBack = ms(raw, rates.readBack.value);

  const packs = Math.max(1, packedRawBytes / limits.pack_raw_bytes_max);
  const sent = [compute, up, ms(packBytes, rates.down.value)].map((stage) => stage / packs);
  const piped = sent.reduce((sum, each) => sum + each, 0) + (packs - 1) * Math.max(...sent);
  // A batch is asked for once the one before the last was read: its answer comes while the last one is.
  const lookup = lookups === 0 ? 0 : (lookups * rates.lookup.value + piped) / LOOKUPS_AT_ONCE;
  const firstLookup = asks ? rates.lookup.value : 0;
  const ending = isStored ? 0 : END_CALLS[treatment] * rates.call.value;
  const milliseconds = scan + firstLookup + Math.max(piped, lookup, down) + ending + readBack;
  const stages = { scan, lookup, compute, up, down, readBack };
  return { treatment, milliseconds, wireBytes, pulledBytes, packedRawBytes, packBytes, lookups, stages };
}

function ms(bytes: number, bytesPerSecond: number): number {
  return (1000 * bytes) / bytesPerSecond;
}

const NOTHING: Prediction = {
  treatment: 'skip',
  milliseconds: 0,
  wireBytes: 0,
  pulledBytes: 0,
  packedRawBytes: 0,
  packBytes: 0,
  lookups: 0,
  stages: { scan: 0, lookup: 0, compute: 0, up: 0, down: 0, readBack: 0 },
};
