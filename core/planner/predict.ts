import { DIGEST_BYTES } from '../fingerprint.ts';
import { limits } from '../limits.ts';
import { packRawBytes } from '../pack-size.ts';
import type { Treatment } from '../treatments.ts';
import { compressedOf, duplicatesOf, type LayerFacts } from './facts.ts';
import type { Rates } from './rates.ts';

/** What moving a layer takes, by one treatment. Bytes and milliseconds. */
export interface Prediction {
  readonly treatment: Treatment;
  /** From the first read to the last byte read back at the destination. */
  readonly milliseconds: number;
  /** Of these, those until the source is done with it: then it begins with the next one. */
  readonly sourceMs: number;
  /** What the source sends: packs, manifest, fingerprints. */
  readonly wireBytes: number;
  /** What the destination fetches at the most: base layers of its own may hold some of it. */
  readonly pulledBytes: number;
  /** Raw bytes that the source packs. */
  readonly packedRawBytes: number;
  /** Of `wireBytes`, those that are packs. */
  readonly packBytes: number;
  /** About how many. */
  readonly packs: number;
  /** Batches of fingerprints that are asked for. */
  readonly lookups: number;
  /** What each side has to do for it, and the link: what takes longest is what it waits for. */
  readonly stages: Readonly<Record<Stage, number>>;
}

export const STAGES = ['scan', 'lookup', 'compute', 'up', 'down', 'unpack', 'readBack'] as const;
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
  const pulledBytes = raw * compressed * (1 - (facts.held ?? 0)) + manifestBytes;

  const scan = asks && !facts.fingerprinted ? ms(raw, rates.hash.value) : 0;
  const compress = ms(packedRawBytes, facts.compress ?? rates.compress.value);
  const compute = (ms(packedRawBytes, rates.hash.value) + compress) * rates.load.value;
  const up = ms(wireBytes, rates.up.value);
  const down = ms(pulledBytes, rates.down.value);
  const unpack = ms(raw, rates.unpack.value);
  const readBack = ms(raw, rates.readBack.value);

  const packs = Math.max(1, packedRawBytes / packRawBytes(rates.up.value / 1000, raw));
  const sent = { compute, up, down: ms(packBytes, rates.down.value), unpack: ms(packedRawBytes, rates.unpack.value) };
  const piped = pipeline(sent, packs);
  // A batch is asked for once the one before the last was read: its answer comes while the last one is.
  const lookup = lookups === 0 ? 0 : (lookups * rates.lookup.value + piped) / LOOKUPS_AT_ONCE;
  const firstLookup = asks ? rates.lookup.value : 0;
  const ending = isStored ? 0 : END_CALLS[treatment] * rates.call.value;
  // What the store has of a segment comes down with the first pack that the segment waits for.
  const lead = (compute + up) / packs;
  const sending = pipeline({ compute, up, down: 0, unpack: 0 }, packs);
  const sourceMs = isStored ? 0 : scan + firstLookup + Math.max(sending, lookup) + ending;
  const milliseconds =
    scan +
    firstLookup +
    Math.max(piped, lookup, lead + Math.max(down, unpack)) +
    ending +
    limits.layer_fixed_ms +
    readBack;
  const stages = { scan, lookup, compute, up, down, unpack, readBack };
  return {
    treatment,
    milliseconds,
    sourceMs,
    wireBytes,
    pulledBytes,
    packedRawBytes,
    packBytes,
    packs: packedRawBytes === 0 ? 0 : packs,
    lookups,
    stages,
  };
}

/**
 * What packs take that go through stages one after the other, each stage at one pack at a time. Two go up at a time, though, and share
 * the link: over one that is slower than the compressor they arrive together, and then come down together.
 */
function pipeline(stages: Readonly<Record<'compute' | 'up' | 'down' | 'unpack', number>>, packs: number): number {
  const each = Object.values(stages).map((stage) => stage / packs);
  const slowest = Math.max(...each);
  const single = each.reduce((sum, stage) => sum + stage, 0) + (packs - 1) * slowest;
  const [compute, up, down] = [stages.compute / packs, stages.up / packs, stages.down / packs];
  if (packs < limits.uploads_in_flight || up <= compute) return single;
  // The first one arrives late where coming down is the slowest; else the last one but one keeps the last one waiting.
  if (down > up) return single + up - compute;
  return single + Math.max(0, Math.min(up, packs * (up - compute)) + down - up);
}

function ms(bytes: number, bytesPerSecond: number): number {
  return (1000 * bytes) / bytesPerSecond;
}

const NOTHING: Prediction = {
  treatment: 'skip',
  milliseconds: 0,
  sourceMs: 0,
  wireBytes: 0,
  pulledBytes: 0,
  packedRawBytes: 0,
  packBytes: 0,
  packs: 0,
  lookups: 0,
  stages: { scan: 0, lookup: 0, compute: 0, up: 0, down: 0, unpack: 0, readBack: 0 },
};
