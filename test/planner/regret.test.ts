import { describe, expect, it } from 'vitest';
import { limits } from '../../core/limits.ts';
import { choose } from '../../core/planner/choose.ts';
import type { Rates } from '../../core/planner/rates.ts';
import { type Between, type Disk, play } from './pipeline.ts';

/** The planner against both fixed policies, played by a model of the pipeline that is not its own. */

const MiB = 2 ** 20;
const CHUNK_BYTES = 65_536;
const MBIT = 1e6 / 8;

const LINKS = [10, 30, 100, 300, 1_000, 3_000, 10_000];
const DUPLICATES = [0, 0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 1];
const SIZES = [256 * MiB, 2048 * MiB];
/** Hash and compress, bytes a second on all cores: a small machine, and a large one. */
const MACHINES = [
  { hash: 1e9, compress: 4e8 },
  { hash: 8e9, compress: 4e9 },
];
/** Of a call, in milliseconds; a batch of fingerprints takes three times as long. */
const LATENCIES = [2, 10, 25];
const FAR = 80;
/** What a migration takes besides one layer: survey, states, polls, its VM's own layer. */
const BESIDES_MS = 3_000;

/** Known chunks come in runs, as those of images do. */
function knownChunks(count: number, share: number): boolean[] {
  const RUN = 64;
  return Array.from({ length: count }, (_, at) => {
    const run = Math.floor(at / RUN);
    return Math.floor((run + 1) * share) > Math.floor(run * share);
  });
}

function ratesOf({ hash, compress, up, down, callMs, lookupMs }: Between): Rates {
  const rate = (value: number) => ({ value, from: 'measured' as const });
  return {
    hash: rate(hash),
    compress: rate(compress),
    up: rate(up),
    down: rate(down),
    readBack: rate(hash),
    unpack: rate(1e12),
    load: rate(1),
    call: rate(callMs),
    lookup: rate(lookupMs),
  };
}

function chosenFor(kind: 'os' | 'ud', disk: Disk, between: Between) {
  const hooks = Math.max(1, Math.round(disk.known.length / limits.index_sampling_default));
  const share = disk.known.filter(Boolean).length / disk.known.length;
  const facts = {
    kind,
    present: false,
    stored: false,
    dataBytes: disk.known.length * disk.chunkBytes,
    chunkBytes: disk.chunkBytes,
    fingerprinted: disk.fingerprinted,
    duplicates: { value: share, seen: hooks, all: hooks },
    compressed: { value: disk.compressed, seen: 1, all: 1 },
  };
  const candidate = { facts, rates: ratesOf(between), changing: false };
  const [chosen] = choose([candidate], 'auto', limits.migration_fixed_ms);
  return chosen!.treatment as 'dedup' | 'direct';
}

interface Play {
  readonly what: string;
  /** Slower than the better policy by this share of all, and by so much. */
  readonly regret: number;
  readonly lostMs: number;
  readonly chosen: string;
}

function playAll(kind: 'os' | 'ud', fingerprinted: boolean, latencies = LATENCIES): Play[] {
  const plays: Play[] = [];
  for (const bytes of SIZES)
    for (const share of DUPLICATES)
      for (const machine of MACHINES)
        for (const latency of latencies)
          for (const mbit of LINKS)
            for (const downMbit of [mbit, 10 * mbit]) {
              const known = knownChunks(bytes / CHUNK_BYTES, share);
              const disk = { chunkBytes: CHUNK_BYTES, known, compressed: 0.5, fingerprinted };
              const up = mbit * MBIT;
              const calls = { callMs: latency, lookupMs: 3 * latency };
              const between = { ...machine, up, down: downMbit * MBIT, ...calls };
              const chosen = chosenFor(kind, disk, between);
              const fixed = { dedup: play('dedup', disk, between), direct: play('direct', disk, between) };
              const took = (ms: number) => BESIDES_MS + ms;
              const best = Math.min(took(fixed.dedup), took(fixed.direct));
              const what = `${bytes / MiB} MiB, ${share} known, ${machine.hash / 1e9} GB/s, ${latency} ms, ${mbit}/${downMbit} Mbit/s`;
              const lostMs = took(fixed[chosen]) - best;
              plays.push({ what, chosen, regret: lostMs / best, lostMs });
            }
  return plays;
}

describe.each([
  ['a base layer, whose manifest is there', 'os', true],
  ['user data that nobody has read', 'ud', false],
  ['user data that was read before', 'ud', true],
] as const)('%s', (_, kind, fingerprinted) => {
  const plays = playAll(kind, fingerprinted);

  it('is never moved more than 5 % slower than by the better of both policies', () => {
    const worst = plays.reduce((a, b) => (b.regret > a.regret ? b : a));
    expect(worst.regret, `${worst.what}: ${worst.chosen}`).toBeLessThanOrEqual(0.05);
  });

  it('loses half a second at the most, or 5 %, where calls take long', () => {
    for (const { what, chosen, regret, lostMs } of playAll(kind, fingerprinted, [FAR]))
      if (regret > 0.05) expect(lostMs, `${what}: ${chosen}`).toBeLessThanOrEqual(1.1 * limits.plan_investment_ms);
  });

  it('is moved in both ways, as the case may be', () => {
    // A base layer whose manifest is there has nothing to lose: look-ups are all that it pays.
    if (kind === 'os') return expect(new Set(plays.map(({ chosen }) => chosen))).toContain('dedup');
    expect(new Set(plays.map(({ chosen }) => chosen))).toEqual(new Set(['dedup', 'direct']));
  });
});

it('a fixed policy does lose: the model tells them apart', () => {
  const disk = { chunkBytes: CHUNK_BYTES, compressed: 0.5, fingerprinted: false };
  const slow = { hash: 1e9, compress: 4e8, up: 1e6, down: 1e7, callMs: 30, lookupMs: 90 };
  const fast = { ...slow, up: 1.25e9, down: 1.25e9 };
  const all = { ...disk, known: knownChunks(4096, 1) };
  const none = { ...disk, known: knownChunks(4096, 0) };
  expect(play('direct', all, slow)).toBeGreaterThan(1.5 * play('dedup', all, slow));
  expect(play('dedup', none, fast)).toBeGreaterThan(1.2 * play('direct', none, fast));
});
