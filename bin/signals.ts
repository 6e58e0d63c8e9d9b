import { LayerMoverError } from '../core/errors.ts';

/** Aborts at the first SIGINT or SIGTERM, which asks to drain; the second one stops at once. */
export function stopSignal(): AbortSignal {
  const asked = new AbortController();
  const on = (): void => {
    if (asked.signal.aborted) process.exit(130);
    asked.abort(new LayerMoverError('INTERRUPTED', 'stopped by a signal'));
  };
  process.on('SIGINT', on);
  process.on('SIGTERM', on);
  return asked.signal;
}

/** Resolves at the first signal. */
export function untilSignal(): Promise<void> {
  const signal = stopSignal();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
