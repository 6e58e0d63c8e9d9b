import { mustCatchUp } from '../../core/convergence/catch-up.ts';
import { decide } from '../../core/convergence/decide.ts';
import { limits } from '../../core/limits.ts';
import type { LiveOptions, RoundRecord } from '../../core/records.ts';

export const BLOCK_BYTES = 64 * 1024;
const STEP_MS = 10;

/** A guest that writes: how fast at a time, and which block next. Chance comes from the seed alone. */
export interface Workload {
  bytesPerSecond(atMs: number): number;
  block(chance: () => number): number;
}

/** Numbers from 0 to 1 of a seed (mulberry32). */
export function chanceOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export interface Played {
  readonly end: 'cutover' | 'abort';
  readonly rounds: readonly RoundRecord[];
  readonly decisions: readonly string[];
  readonly predictedMs: number;
  /** What the pause was in the end; absent if it was aborted. */
  readonly pauseMs?: number;
}

export interface Setting {
  readonly workload: Workload;
  readonly usedBytes: number;
  readonly linkBytesPerSecond: number;
  readonly wish: Pick<LiveOptions, 'maxDowntimeMs' | 'onNoConvergence'>;
  readonly seed: number;
}

/** Plays a whole pre-copy, block by block: the guest writes while rounds copy, and between them. */
export function play({ workload, usedBytes, linkBytesPerSecond, wish, seed }: Setting): Played {
  const chance = chanceOf(seed);
  const rounds: RoundRecord[] = [];
  const decisions: string[] = [];
  let dirty = new Set<number>();
  let nowMs = 0;
  let owed = 0;
  let throttle: number | undefined;

  function run(ms: number): number {
    let written = 0;
    for (let left = ms; left > 0; left -= STEP_MS) {
      const stepMs = Math.min(STEP_MS, left);
      const rate = Math.min(workload.bytesPerSecond(nowMs), throttle ?? Number.POSITIVE_INFINITY);
      owed += (rate * stepMs) / 1000;
      for (; owed >= BLOCK_BYTES; owed -= BLOCK_BYTES, written += BLOCK_BYTES) dirty.add(workload.block(chance));
      nowMs += stepMs;
    }
    return written;
  }

  function copy(bytes: number): { milliseconds: number; written: number; hot: number } {
    const copied = dirty;
    dirty = new Set();
    const milliseconds = Math.max(1, Math.ceil((1000 * bytes) / linkBytesPerSecond));
    const written = run(milliseconds);
    const hot = [...dirty].filter((block) => copied.has(block)).length * BLOCK_BYTES;
    return { milliseconds, written, hot };
  }

  for (;;) {
    const { decision, predictedMs = 0, throttleBytesPerSecond } = decide(rounds, wish);
    decisions.push(decision);
    throttle = throttleBytesPerSecond;
    const told = { rounds, decisions, predictedMs };
    if (decision === 'abort') return { ...told, end: 'abort' };
    run(limits.round_fixed_ms);
    if (decision === 'cutover') {
      for (const left = [dirty.size]; mustCatchUp(left); left.push(dirty.size)) copy(dirty.size * BLOCK_BYTES);
      const pauseMs = limits.cutover_fixed_ms + (1000 * dirty.size * BLOCK_BYTES) / linkBytesPerSecond;
      return { ...told, end: 'cutover', pauseMs };
    }
    const bytes = rounds.length === 0 ? usedBytes : dirty.size * BLOCK_BYTES;
    const { milliseconds, written, hot } = copy(bytes);
    rounds.push({
      round: rounds.length,
      dirty_bytes: bytes,
      sent_bytes: Math.ceil(bytes / 2),
      milliseconds,
      remaining_bytes: dirty.size * BLOCK_BYTES,
      ...(rounds.length === 0 ? {} : { hot_bytes: hot }),
      guest_write_bytes_per_second: Math.round((1000 * written) / milliseconds),
      link_bytes_per_second: Math.ceil(linkBytesPerSecond / 2),
      ...(throttle === undefined ? {} : { throttleBytesPerSecond: throttle }),
    });
  }
}
