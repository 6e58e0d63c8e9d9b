import { digest } from '../../core/api/names.ts';
import { namespaceScope, type ObjectKind } from '../../core/format/keys.ts';
import { limits } from '../../core/limits.ts';
import type { Page } from './page.ts';

export interface Found {
  readonly id: string;
  readonly bytes: number;
}

/**
 * Does `work` on the namespace's objects of one kind that come after `after`, some at a time, as many as the call has time
 * for. Answers the last one done, undefined if none is left. What has no name of ours is passed over.
 */
export async function eachObject(
  page: Page,
  kind: ObjectKind,
  after: string | undefined,
  work: (some: readonly Found[]) => Promise<void>,
): Promise<string | undefined> {
  const prefix = `${namespaceScope(page.namespace)}/${kind}/`;
  let last = after;
  for (;;) {
    const start = last === undefined ? undefined : prefix + last;
    const objects = await page.deps.objects.sizes(prefix, limits.collection_objects_max, start);
    for (let at = 0; at < objects.length; at += limits.collection_in_flight) {
      const some = objects.slice(at, at + limits.collection_in_flight);
      const named = some.map(({ key, bytes }) => ({ key, bytes, id: key.slice(prefix.length + 3) }));
      await work(named.filter(({ key, id }) => digest.safeParse(id).success && page.keyOf(kind, id) === key));
      last = some.at(-1)!.key.slice(prefix.length);
      if (page.isOver) return last;
    }
    if (objects.length < limits.collection_objects_max) return undefined;
  }
}
