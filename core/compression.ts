import { limits } from './limits.ts';

/** What went on while packs were filled. Milliseconds. */
export interface PackPeriod {
  readonly ms: number;
  /** The writer had chunks and no room, and nothing to compress: every buffer held a pack that was on its way. The link is the slower one. */
  readonly waitedMs: number;
  /** No pack was on its way. The compressor is the slower one. */
  readonly idleMs: number;
}

/**
 * Processor time of zstd's levels on system files in frames of 16 MiB, with level 2 as one. Only their ratios matter, and
 * these hardly change from one machine to another: docs/adr/0028-level-by-link.md.
 */
const COSTS: ReadonlyMap<number, number> = new Map([
  [2, 1],
  [3, 1.3],
  [4, 1.5],
  [5, 2.2],
  [6, 2.9],
  [7, 3.3],
  [8, 3.9],
  [9, 4.2],
]);

/** So little waiting is what a link and a compressor of the same speed have, too. */
const BALANCED_SHARE = 0.1;
/** Of idleness less is borne: packs wait so that there is none. */
const IDLE_SHARE = 0.05;
/** Of the time that a link leaves the compressor, what is taken: what is read and hashed takes time as well. */
const TAKEN_SHARE = 0.9;
/** From one pack to the next, at the most: the first one tells little, and a layer that begins leaves the link idle for a moment. */
const TIMES_MAX = 4;
const TIMES_MIN = 0.5;
/** From any level to any other, and once more after a step too far. */
const PACKS_TO_REST = 4;

/**
 * The level for the next pack: the highest one that leaves the link busy. A writer that waited has that much time to
 * compress better; one whose link stood idle must be that much faster.
 */
export function nextLevel(level: number, { ms, waitedMs, idleMs }: PackPeriod): number {
  if (ms <= 0) return level;
  const [waited, idle] = [waitedMs / ms, idleMs / ms];
  const cost = costOf(level);
  if (waited > idle && waited > BALANCED_SHARE) {
    const times = Math.min(TIMES_MAX, TAKEN_SHARE / Math.max(0, 1 - waited));
    return Math.max(level, affordable(cost * times));
  }
  if (idle > IDLE_SHARE) return Math.min(level, affordable(cost * Math.max(TIMES_MIN, 1 - idle)));
  return level;
}

/** True if the compressor was the slower one: how long packs took is what the cores took. */
export function isComputing({ ms, waitedMs, idleMs }: PackPeriod): boolean {
  return idleMs > waitedMs && idleMs > BALANCED_SHARE * ms;
}

/** What a pack takes, in milliseconds: to read and fingerprint, to compress at the lowest level, to send. */
export interface PackWork {
  readonly readMs: number;
  readonly compressMs: number;
  readonly sendMs: number;
}

/** The level at which a push of such packs comes to rest: `nextLevel`, from pack to pack. Compressing a pack at it takes no longer than sending it, unless the lowest level does. */
export function restingLevel({ readMs, compressMs, sendMs }: PackWork): number {
  let level: number = limits.pack_level_default;
  for (let pack = 0; pack < PACKS_TO_REST; pack++) {
    const fillMs = readMs + compressMs * costOf(level);
    const ms = Math.max(fillMs, sendMs);
    level = nextLevel(level, { ms, waitedMs: ms - fillMs, idleMs: ms - sendMs });
  }
  return level;
}

function affordable(cost: number): number {
  let most: number = limits.pack_level_default;
  for (const [level, itsCost] of COSTS) if (itsCost <= cost && level <= limits.pack_level_max) most = level;
  return most;
}

function costOf(level: number): number {
  return COSTS.get(level) ?? 1;
}
