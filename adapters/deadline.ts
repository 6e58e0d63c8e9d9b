import type { Clock } from '../core/ports.ts';

/** Runs `work` with a signal that aborts with the caller's reason, or with `late()` once `ms` have passed. */
export async function withDeadline<T>(
  work: (signal: AbortSignal) => Promise<T>,
  deadline: { clock: Clock; ms: number; late: () => Error; signal?: AbortSignal | undefined },
): Promise<T> {
  const expired = new AbortController();
  const done = new AbortController();
  const expire = () => expired.abort(deadline.late());
  deadline.clock.sleep(deadline.ms, done.signal).then(expire, () => {});
  try {
    return await work(deadline.signal ? AbortSignal.any([expired.signal, deadline.signal]) : expired.signal);
  } finally {
    // With a reason of its own: the default one costs a stack trace, at every call.
    done.abort(null);
  }
}
