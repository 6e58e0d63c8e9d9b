import { setImmediate } from 'node:timers/promises';
import type { Clock } from '../../core/ports.ts';

export interface ManualClock extends Clock {
  /** How many sleep right now. */
  readonly sleepers: number;
  /** Moves time on by `ms` and wakes sleepers in the order they are due; what they do next may sleep and be woken again within the same move. */
  advance(ms: number): Promise<void>;
}

interface Sleeper {
  readonly dueMs: number;
  wake(): void;
}

/** A clock that stands still until a test advances it. */
export function createManualClock(startMs = Date.UTC(2026, 0, 1)): ManualClock {
  let now = startMs;
  const sleepers = new Set<Sleeper>();

  function sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const stop = () => {
        sleepers.delete(sleeper);
        reject(signal?.reason);
      };
      const wake = () => {
        sleepers.delete(sleeper);
        signal?.removeEventListener('abort', stop);
        resolve();
      };
      const sleeper: Sleeper = { dueMs: now + ms, wake };
      sleepers.add(sleeper);
      signal?.addEventListener('abort', stop, { once: true });
    });
  }

  function nextDue(untilMs: number): Sleeper | undefined {
    let next: Sleeper | undefined;
    for (const sleeper of sleepers) {
      if (sleeper.dueMs <= untilMs && (next === undefined || sleeper.dueMs < next.dueMs)) next = sleeper;
    }
    return next;
  }

  return {
    nowMs: () => now,
    sleep,
    get sleepers() {
      return sleepers.size;
    },
    async advance(ms) {
      const untilMs = now + ms;
      await setImmediate();
      for (let next = nextDue(untilMs); next !== undefined; next = nextDue(untilMs)) {
        now = Math.max(now, next.dueMs);
        next.wake();
        await setImmediate();
      }
      now = untilMs;
    },
  };
}
