/** Waits for the first of `items`, then does `work` with all of them. Errors: those of `items` and of `work`. */
export async function onceBegun<T, R>(
  items: AsyncIterable<T>,
  work: (items: AsyncIterable<T>) => Promise<R>,
): Promise<R> {
  const iterator = items[Symbol.asyncIterator]();
  try {
    return await work(from(await iterator.next(), iterator));
  } finally {
    // Nobody waits for one that was asked for and is not wanted any more.
    iterator.return?.().catch(() => undefined);
  }
}

async function* from<T>(first: IteratorResult<T>, rest: AsyncIterator<T>): AsyncGenerator<T> {
  for (let next = first; !next.done; next = await rest.next()) yield next.value;
}
