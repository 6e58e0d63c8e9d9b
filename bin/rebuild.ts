import type { ApiClient } from '../adapters/api/client.ts';
import type { RebuildAnswer, RebuildCounts, RebuildPhase } from '../core/api/rebuild.ts';

/** What a rebuild has come to so far. */
export interface RebuildProgress {
  readonly phase: RebuildPhase;
  /** Of the whole rebuild. */
  readonly counts: RebuildCounts;
  /** Of this page. */
  readonly damaged: RebuildAnswer['damaged'];
}

/** Asks for a rebuild page by page, and tells each. Throws what the API refuses with, or the signal's reason. */
export async function* rebuild(
  client: ApiClient,
  check: boolean,
  signal: AbortSignal,
): AsyncGenerator<RebuildProgress> {
  let counts: RebuildCounts | undefined;
  for (let next: RebuildAnswer['next'] = { phase: 'packs' }; next !== undefined; ) {
    signal.throwIfAborted();
    const { phase }: { phase: RebuildPhase } = next;
    const answer: RebuildAnswer = await client.call('rebuildIndex', { body: { ...next, check }, signal });
    const { damaged, next: more, ...found } = answer;
    counts = counts === undefined ? found : sum(counts, found);
    yield { phase, counts, damaged };
    next = more;
  }
}

function sum(a: RebuildCounts, b: RebuildCounts): RebuildCounts {
  const names = Object.keys(a) as (keyof RebuildCounts)[];
  return Object.fromEntries(names.map((name) => [name, a[name] + b[name]])) as RebuildCounts;
}
