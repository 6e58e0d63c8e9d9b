import { limits } from '../core/limits.ts';
import { usage } from './exit-codes.ts';

/** A `--limit`: a whole number above 0. */
export function limitOf(text: string): number {
  const limit = Number(text);
  if (Number.isInteger(limit) && limit > 0) return limit;
  throw usage(`--limit ${text} is no number of rows`, 'a whole number above 0');
}

/** The first `limit` items of a list that the API gives page by page. */
export async function allPages<T>(
  limit: number,
  page: (query: { limit: number; after?: string }) => Promise<{ items: readonly T[]; next: string | undefined }>,
): Promise<T[]> {
  const all: T[] = [];
  let after: string | undefined;
  do {
    const { items, next } = await page({
      limit: Math.min(limit - all.length, limits.page_items_max),
      ...(after === undefined ? {} : { after }),
    });
    all.push(...items);
    after = next;
  } while (after !== undefined && all.length < limit);
  return all;
}
