import { limits } from '../limits.ts';
import type { LiveOptions, RoundRecord } from '../records.ts';
import { isGain } from './catch-up.ts';
import { type Estimate, estimate } from './estimate.ts';

/** What is done after the rounds so far. */
export interface Decision {
  /** `throttle` is a round in which the guest's writes are slowed down more than before. */
  readonly decision: 'round' | 'throttle' | 'cutover' | 'abort';
  /** The pause of a cutover now; unknown before the first round. */
  readonly predictedMs?: number;
  /** What the guest may write a second from now on; absent: as much as it wants. */
  readonly throttleBytesPerSecond?: number;
  /** Why, for a person. */
  readonly reason: string;
}

type Wish = Pick<LiveOptions, 'maxDowntimeMs' | 'onNoConvergence'>;

/**
 * Pre-copy (Clark et al., NSDI 2005): rounds go on as long as the pause of a cutover is too long and another round makes
 * it shorter. When it does not, the guest's writes are slowed down in steps (as Bradford et al. do, VEE 2007), the pause
 * is taken as it is, or the VM stays, as the user wishes. There are `limits.rounds_max` rounds at the most. The same
 * rounds always lead to the same decision.
 */
export function decide(rounds: readonly RoundRecord[], wish: Wish): Decision {
  const last = rounds.at(-1);
  if (last === undefined) return { decision: 'round', reason: 'nothing is copied yet' };
  const seen = estimate(rounds);
  const { throttleBytesPerSecond } = last;
  const slowed = throttleBytesPerSecond === undefined ? {} : { throttleBytesPerSecond };
  const told = { predictedMs: seen.pauseMs, ...slowed };
  if (seen.pauseMs <= wish.maxDowntimeMs) return { ...told, decision: 'cutover', reason: 'the pause is short enough' };
  const isOver = rounds.length >= limits.rounds_max;
  if (!isOver && !isStuck(rounds, seen, wish))
    return { ...told, decision: 'round', reason: 'another round shortens it' };
  const why = isOver ? `${limits.rounds_max} rounds are done` : 'another round would not shorten it';
  const slower = isOver ? undefined : nextThrottle(rounds, seen);
  if (wish.onNoConvergence === 'abort') return { ...told, decision: 'abort', reason: why };
  if (wish.onNoConvergence === 'cutover' || slower === undefined)
    return { ...told, decision: 'cutover', reason: `${why}: it is taken as it is` };
  return { ...told, decision: 'throttle', throttleBytesPerSecond: slower, reason: `${why}: writes are slowed down` };
}

/**
 * True if another round is not expected to help, and the last two have not helped either: one burst of writes proves
 * nothing.
 */
function isStuck(rounds: readonly RoundRecord[], { pauseMs, nextPauseMs }: Estimate, { maxDowntimeMs }: Wish): boolean {
  if (nextPauseMs <= maxDowntimeMs || isGain(pauseMs, nextPauseMs)) return false;
  const left = [rounds[0]!.dirty_bytes, ...rounds.map((round) => round.remaining_bytes)];
  const [first, second, third] = left.slice(-3);
  return third !== undefined && !isGain(first!, second!) && !isGain(second!, third);
}

/** Half of what the guest may write now, at first of what a copy makes; undefined if it was slowed down as far as it may be. */
function nextThrottle(rounds: readonly RoundRecord[], { copyBytesPerSecond }: Estimate): number | undefined {
  const steps = new Set(rounds.map((round) => round.throttleBytesPerSecond).filter((each) => each !== undefined));
  const now = rounds.at(-1)?.throttleBytesPerSecond;
  const half = Math.floor((now ?? copyBytesPerSecond) / 2);
  const next = Math.max(limits.throttle_bytes_per_second_min, half);
  return steps.size >= limits.throttle_steps_max || (now !== undefined && next >= now) ? undefined : next;
}
