import type { ObjectKind } from '../../core/format/keys.ts';
import type { Fate } from '../../core/garbage.ts';
import { limits } from '../../core/limits.ts';
import type { IdleMark, MarkedKind } from '../../core/ports.ts';
import { eachObject, type Found } from './each-object.ts';
import type { Page } from './page.ts';

interface Sweeping {
  /** False if something still names the object, or it has to stay for another reason. */
  readonly mayGo?: (id: string) => Promise<boolean>;
  /** Takes it out of the store. */
  readonly takeOut?: (id: string) => Promise<void>;
  /** Hears what becomes of each. */
  readonly tell?: (id: string, fate: Fate) => Promise<void>;
}

/**
 * Goes through the objects of one kind. What is needed loses its mark. What is not gets one; if it has had one since a
 * grace before the run began, it goes.
 */
export function sweep(page: Page, kind: ObjectKind, after: string | undefined, sweeping: Sweeping = {}) {
  const of = kind === 'placements' ? 'segments' : kind;
  return eachObject(page, kind, after, async (some) => {
    const ids = some.map(({ id }) => id);
    const marks = await page.deps.idle.find(page.namespace, of, ids);
    await Promise.all(
      some.map(async (found) => {
        const fate = await settle(page, { kind, of, found, mark: marks.get(found.id) }, sweeping);
        page.count(kind, fate, found.bytes);
        await sweeping.tell?.(found.id, fate);
      }),
    );
  });
}

interface Candidate {
  readonly kind: ObjectKind;
  readonly of: MarkedKind;
  readonly found: Found;
  readonly mark: IdleMark | undefined;
}

async function settle(page: Page, { kind, of, found, mark }: Candidate, sweeping: Sweeping): Promise<Fate> {
  const { deps, namespace, run, isDry } = page;
  const { id } = found;
  if (page.isNeeded(kind === 'placements' ? 'segments' : kind, id)) {
    // One whose removal began keeps its mark: whoever put it again ends that.
    if (mark !== undefined && mark.removedMs === undefined && !isDry) await deps.idle.clear(namespace, of, id, mark);
    return 'needed';
  }
  if (mark === undefined) {
    if (!isDry) await deps.idle.mark(namespace, of, id, deps.clock.nowMs());
    return 'waiting';
  }
  if (!isDue(mark, run.startedMs) || !((await sweeping.mayGo?.(id)) ?? true)) return 'waiting';
  if (isDry) return 'removed';
  if (!(await deps.idle.remove(namespace, of, id, mark, deps.clock.nowMs()))) return 'waiting';
  if (sweeping.takeOut === undefined) await deps.objects.remove([page.keyOf(kind, id)]);
  else await sweeping.takeOut(id);
  return 'removed';
}

/** A removal that was begun and cut off is ended by whoever finds it. */
function isDue({ sinceMs, removedMs }: IdleMark, startedMs: number): boolean {
  return removedMs !== undefined || startedMs - sinceMs >= limits.garbage_grace_ms;
}
