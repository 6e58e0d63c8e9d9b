import { digest } from '../../core/api/names.ts';
import { namespaceScope, type ObjectKind, objectKey } from '../../core/format/keys.ts';
import { limits } from '../../core/limits.ts';
import type { Page } from './page.ts';

/**
 * Does `work` on the ids of the namespace's objects of one kind that come after `after`, `inFlight` at a time and as many
 * as the call has time for. Answers the last id done, undefined if none is left. What has no name of ours is passed over.
 */
export async function eachObject(
  page: Page,
  kind: ObjectKind,
  after: string | undefined,
  inFlight: number,
  work: (id: string) => Promise<void>,
): Promise<string | undefined> {
  const prefix = `${namespaceScope(page.namespace)}/${kind}/`;
  const last = after === undefined ? undefined : prefix + after;
  const keys = await page.deps.objects.list(prefix, limits.rebuild_objects_max, last);
  let done = 0;
  while (done < keys.length && (done === 0 || !page.isOver)) {
    const some = keys.slice(done, done + inFlight);
    const ids = some.map((key) => key.slice(prefix.length + 3));
    await Promise.all(ids.filter((id, at) => isOurs(page, kind, id, some[at]!)).map(work));
    done += some.length;
  }
  const isLast = done === keys.length && keys.length < limits.rebuild_objects_max;
  return isLast ? undefined : keys[done - 1]!.slice(prefix.length);
}

function isOurs({ namespace }: Page, kind: ObjectKind, id: string, key: string): boolean {
  return digest.safeParse(id).success && objectKey(namespaceScope(namespace), kind, id) === key;
}
