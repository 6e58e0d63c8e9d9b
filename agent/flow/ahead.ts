import { inOrder } from './in-order.ts';
import { Stop } from './stop.ts';

/** What a piece of work is given. */
export interface Turn {
  readonly signal: AbortSignal;
  /** Lets the next piece begin beside this one. */
  readonly next: () => void;
  /** Settles as the piece before this one does. */
  readonly before: Promise<unknown>;
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
  let turn = Promise.resolve();
  let last: Promise<unknown> = Promise.resolve();
  const one = async (item: T, begins: Promise<void>, next: () => void, before: Promise<unknown>) => {
    try {
      await begins;
      stop.signal.throwIfAborted();
      return await work(item, { signal: stop.signal, next, before });
    } catch (error) {
      throw stop.fail(error);
    } finally {
      next();
    }
  };
  const inTurn = (item: T) => {
    const { promise, resolve: next } = Promise.withResolvers<void>();
    const begun = one(item, turn, next, last);
    turn = promise;
    last = begun;
    return begun;
  };
  const results: R[] = [];
  for await (const result of inOrder(items, count, inTurn)) results.push(result);
  return results;
}
