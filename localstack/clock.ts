/** The embedded cloud's only source of time, so that a test can move it by hand. */
export interface Clock {
  /** Milliseconds since 1970 in UTC. */
  nowMs(): number;
  /** Runs `action` once after `delayMs`; the returned function cancels it. A waiting action keeps no process alive. */
  schedule(delayMs: number, action: () => void): () => void;
}

/** setTimeout's own bound: a longer delay would fire at once. */
const DELAY_MS_MAX = 2 ** 31 - 1;

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  schedule(delayMs, action) {
    const timer = setTimeout(action, Math.min(Math.max(0, delayMs), DELAY_MS_MAX));
    timer.unref();
    return () => clearTimeout(timer);
  },
};

/** Uniform in [0, 1): the only source of chance beside keys and ids, which are random by design. */
export const systemRandom = Math.random;

/** Waits `delayMs` on the given clock. */
export function delay(clock: Clock, delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    clock.schedule(delayMs, resolve);
  });
}
