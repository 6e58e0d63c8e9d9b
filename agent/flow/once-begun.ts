import { Stop } from './stop.ts';

/**
 * Waits for the first of what `begin` gives, then does `work` with all of it. When the work has ended, however it did, nobody
 * waits for any more: the signal that `begin` was given has aborted. Errors: those of what it gives and of `work`, the signal's reason.
 */
export async function onceBegun<T, R>(
  begin: (signal: AbortSignal) => AsyncIterable<T>,
  signal: AbortSignal,
  work: (items: AsyncIterable<T>) => Promise<R>,
): Promise<R> {
  const stop = new Stop(signal);
  const iterator = begin(stop.signal)[Symbol.asyncIterator]();
  try {
    return await work(from(await iterator.next(), iterator));
  } finally {
    stop.fail(ENDED);
    iterator.return?.().catch(() => undefined);
  }
}

/** Nobody hears of it. */
const ENDED = new Error('what it was read for has ended');

async function* from<T>(first: IteratorResult<T>, rest: AsyncIterator<T>): AsyncGenerator<T> {
  for (let next = first; !next.done; next = await rest.next()) yield next.value;
}
