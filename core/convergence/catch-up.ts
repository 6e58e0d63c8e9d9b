import { limits } from '../limits.ts';

/**
 * A cutover begins a while after the last round, so it catches up first: it makes rounds of its own, one right after the
 * other, while the VM still runs. True if it makes another one after those that it has made; `left` are the bytes that
 * were dirty when each of them began, and now.
 */
export function mustCatchUp(left: readonly number[]): boolean {
  const done = left.length - 1;
  if (done >= limits.cutover_rounds_max || left.at(-1) === 0) return false;
  return done < 1 || isGain(left[done - 1]!, left[done]!);
}

/** True if `after` is so much less than `before` that a round which led to it was worth its while. */
export function isGain(before: number, after: number): boolean {
  return after < before && after * 100 <= before * (100 - limits.round_gain_percent_min);
}
