import { inOrder } from './in-order.ts';
import { Stop } from './stop.ts';

/** What a piece of work is given. */
export interface Turn {
  readonly signal: AbortSignal;
  /** Lets the next piece begin beside this one. */
  readonly next: () => void;
}

/**
 * Does work on items in their order: each begins when the one before lets it, or has ended, and fewer than `count` run. Gives the
 * results in order. The first failure stops the others, and is thrown when none runs any more.
 */
export async function ahead<T, R>(
  items: Iterable<T>,
  count: number,
  signal: AbortSignal,
  work: (item: T, turn: Turn) => Promise<R>,
): Promise<R[]> {
  const stop = new Stop(signal);
  let before = Promise.resolve();
  const one = async (item: T) => {
    const turn = before;
    const { promise, resolve: next } = Promise.withResolvers<void>();
    before = promise;
    try {
      await turn;
      stop.signal.throwIfAborted();
      return await work(item, { signal: stop.signal, next });
    } catch (error) {
      throw stop.fail(error);
    } finally {
      next();
    }
  };
  const results: R[] = [];
  for await (const result of inOrder(items, count, one)) results.push(result);
  return results;
}
