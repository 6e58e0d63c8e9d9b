import { abortable } from '../flow/abortable.ts';

/**
 * Gives what `source` gives, and has it work on the next item while the caller uses the one before. When the signal
 * aborts, nobody waits for the source any more.
 */
export async function* oneAhead<T>(source: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T> {
  const items = source[Symbol.asyncIterator]();
  let done = false;
  const ask = () => abortable(items.next(), signal);
  let next = ask();
  try {
    for (;;) {
      const item = await next;
      done = item.done === true;
      if (item.done) return;
      next = ask();
      next.catch(() => undefined);
      yield item.value;
    }
  } finally {
    if (!done) items.return?.().catch(() => undefined);
  }
}
