import { LayerMoverError } from '../core/errors.ts';
import { EXIT } from './exit-codes.ts';

/** Calls `drain` at the first SIGINT or SIGTERM; the second one stops at once. */
function onSignal(drain: () => void): void {
  let asked = false;
  const on = (): void => {
    if (asked) process.exit(EXIT.interrupted);
    asked = true;
    drain();
  };
  process.on('SIGINT', on);
  process.on('SIGTERM', on);
}

/** Aborts with INTERRUPTED at the first signal: `message` says what stops, `hint` what goes on and how to come back. */
export function stopSignal(message: string, hint: string): AbortSignal {
  const asked = new AbortController();
  onSignal(() => asked.abort(new LayerMoverError('INTERRUPTED', message, { hint })));
  return asked.signal;
}

/** Resolves at the first signal, which it answers with what happens now. */
export function untilSignal(draining: string): Promise<void> {
  return new Promise((resolve) => {
    onSignal(() => {
      process.stderr.write(`${draining}; Ctrl-C again stops at once\n`);
      resolve();
    });
  });
}
