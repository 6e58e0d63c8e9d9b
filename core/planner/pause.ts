import { decide } from '../convergence/decide.ts';
import { limits } from '../limits.ts';
import type { LiveOptions, RoundRecord } from '../records.ts';

/** A running VM before its first round. Bytes, and bytes a second. */
export interface LiveFacts {
  /** What it holds now, and what it may hold at the most. */
  readonly dataBytes: number;
  readonly diskBytes: number;
  /** What is left of them after compression, 0 to 1. */
  readonly compressed: number;
  readonly hash: number;
  readonly compress: number;
  readonly up: number;
  readonly guestWrites: number;
}

/** How its rounds are expected to go. */
export interface PauseForecast {
  /** Rounds before the cutover. */
  readonly rounds: number;
  /** What those after the first one take. */
  readonly laterMs: number;
  /** The pause of the cutover; undefined if it is expected to be given up. */
  readonly pauseMs?: number | undefined;
}

/**
 * Plays the rounds that core/convergence would decide on, of a guest that goes on writing as it did and never twice to the
 * same place: what it writes again and again is not known beforehand, so the pause is more likely shorter than longer.
 */
export function forecastPause(
  facts: LiveFacts,
  wish: Pick<LiveOptions, 'maxDowntimeMs' | 'onNoConvergence'>,
): PauseForecast {
  const copyRate = Math.min(facts.up / facts.compressed, 1 / (1 / facts.hash + 1 / facts.compress));
  const rounds: RoundRecord[] = [];
  for (let dirty = facts.dataBytes; ; ) {
    const { decision, predictedMs, throttleBytesPerSecond: throttle } = decide(rounds, wish);
    const laterMs = rounds.slice(1).reduce((sum, each) => sum + each.milliseconds + limits.round_fixed_ms, 0);
    if (decision === 'cutover') return { rounds: rounds.length, laterMs, pauseMs: predictedMs };
    if (decision === 'abort') return { rounds: rounds.length, laterMs };
    const writes = Math.min(facts.guestWrites, throttle ?? facts.guestWrites);
    const milliseconds = Math.max(1, Math.round((1000 * dirty) / copyRate));
    const left = Math.min(facts.diskBytes, Math.round((writes * milliseconds) / 1000));
    rounds.push({
      round: rounds.length,
      dirty_bytes: Math.round(dirty),
      sent_bytes: Math.round(dirty * facts.compressed),
      milliseconds,
      remaining_bytes: left,
      hot_bytes: 0,
      guest_write_bytes_per_second: Math.round(writes),
      link_bytes_per_second: Math.round(copyRate * facts.compressed),
      ...(throttle === undefined ? {} : { throttleBytesPerSecond: throttle }),
    });
    dirty = Math.min(facts.diskBytes, left + (writes * limits.round_fixed_ms) / 1000);
  }
}
