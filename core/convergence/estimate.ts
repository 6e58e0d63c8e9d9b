import { limits } from '../limits.ts';
import type { RoundRecord } from '../records.ts';
import { isGain } from './catch-up.ts';

/** Rounds back that still tell how fast a copy is. */
const WINDOW = 3;
/** What a round must have sent for its link rate to tell anything. */
const LINK_SAMPLE_BYTES_MIN = 1024 * 1024;

/** What the rounds so far have shown, and what follows from it. */
export interface Estimate {
  /** Raw bytes a second that a copy makes. */
  readonly copyBytesPerSecond: number;
  /** The pause of a cutover now. */
  readonly pauseMs: number;
  /** The pause of a cutover after one more round. */
  readonly nextPauseMs: number;
}

/**
 * Estimates from at least one round. The pause is what a last copy takes, after the rounds with which a cutover catches
 * up, and the fixed costs around it. What gets dirty in a time is a line: blocks that are written again and again (the
 * hot set) are dirty after however short a round, the others in proportion to its time. So more rounds gain on the
 * others only (after Zheng et al., VEE 2011, who send hot blocks last).
 */
export function estimate(rounds: readonly RoundRecord[]): Estimate {
  const last = rounds.at(-1)!;
  const rate = copyRate(rounds);
  const hot = Math.min(last.remaining_bytes, last.hot_bytes ?? hotBytes(rounds));
  const coldPerMs = (last.remaining_bytes - hot) / Math.max(1, last.milliseconds);
  /** What is dirty at the end of a copy of so many bytes, to which the guest added while the copy was not begun. */
  const leftBy = (bytes: number, beforeMs: number) => hot + coldPerMs * copyMs(bytes + coldPerMs * beforeMs, rate);
  // One round alone can't tell the hot set from the others: nothing is promised of what it would take to catch up.
  const catchUps = rounds.length > 1 ? limits.cutover_rounds_max : 0;
  const pauseAt = (bytes: number) => {
    let dirty = bytes + coldPerMs * limits.round_fixed_ms;
    for (let done = 0; done < catchUps; done++) {
      const left = leftBy(dirty, 0);
      if (!isGain(dirty, left)) break;
      dirty = left;
    }
    return Math.round(limits.cutover_fixed_ms + copyMs(dirty, rate));
  };
  return {
    copyBytesPerSecond: rate,
    pauseMs: pauseAt(last.remaining_bytes),
    nextPauseMs: pauseAt(leftBy(last.remaining_bytes, limits.round_fixed_ms)),
  };
}

function copyMs(bytes: number, bytesPerSecond: number): number {
  return (1000 * bytes) / bytesPerSecond;
}

/**
 * The best whole rate of the last rounds: one that copied little tells only how long a round takes at the least. A link
 * that has become slower counts at once.
 */
function copyRate(rounds: readonly RoundRecord[]): number {
  const recent = rounds.filter((round) => round.dirty_bytes > 0).slice(-WINDOW);
  const best = Math.max(0, ...recent.map((round) => (1000 * round.dirty_bytes) / Math.max(1, round.milliseconds)));
  const { sent_bytes: sent, dirty_bytes: raw, link_bytes_per_second: link } = rounds.at(-1)!;
  const byLink = sent >= LINK_SAMPLE_BYTES_MIN && link > 0 ? (link * raw) / sent : Number.POSITIVE_INFINITY;
  return Math.max(limits.rate_bytes_per_second_min, Math.min(best, byLink));
}

/** Where the line through the last two rounds begins, if those took times different enough to draw one. */
function hotBytes(rounds: readonly RoundRecord[]): number {
  const [before, last] = rounds.slice(-2);
  if (before === undefined || last === undefined || last.milliseconds * 2 > before.milliseconds) return 0;
  if (before.throttleBytesPerSecond !== last.throttleBytesPerSecond) return 0;
  const perMs = (before.remaining_bytes - last.remaining_bytes) / (before.milliseconds - last.milliseconds);
  return Math.max(0, last.remaining_bytes - Math.max(0, perMs) * last.milliseconds);
}
