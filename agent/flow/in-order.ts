/**
 * Starts work on up to `ahead` items of `source` at a time and gives the results in the source's order. However it
 * ends, no work is running any more afterwards; results that nobody got are given to `drop`.
 */
export async function* inOrder<T, R>(
  source: AsyncIterable<T> | Iterable<T>,
  ahead: number,
  work: (item: T) => Promise<R>,
  drop: (result: R) => void = () => undefined,
): AsyncGenerator<R> {
  const items = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
  const running: Promise<R>[] = [];
  let more = true;
  try {
    for (;;) {
      while (more && running.length < ahead) {
        const next = await items.next();
        if (next.done) more = false;
        else running.push(started(work(next.value)));
      }
      const head = running.shift();
      if (head === undefined) return;
      yield await head;
    }
  } finally {
    if (more) await items.return?.();
    for (const end of await Promise.allSettled(running)) if (end.status === 'fulfilled') drop(end.value);
  }
}

/** A failure is thrown when its turn comes; until then it must not count as unhandled. */
function started<R>(work: Promise<R>): Promise<R> {
  work.catch(() => undefined);
  return work;
}
