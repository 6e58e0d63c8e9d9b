import { hasCode } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import { openFooterOf } from '../packs/read-footer.ts';
import { checkPack } from './check-pack.ts';
import { damageOf } from './damage.ts';
import { eachObject } from './each-object.ts';
import type { Page } from './page.ts';

/** Judges packs: by their footers, or chunk by chunk. A damaged one is condemned: the index promises it to nobody any more. */
export function judgePacks(page: Page, after?: string): Promise<string | undefined> {
  return eachObject(page, 'packs', after, page.check ? 1 : limits.rebuild_in_flight, (id) => judge(page, id));
}

async function judge(page: Page, id: string): Promise<void> {
  const { objects, index } = page.deps;
  const read = () => (page.check ? checkPack(page, id) : openFooterOf(objects, page.namespace, id));
  try {
    const what = await damageOf(read);
    page.counts.packs_read++;
    if (what === undefined) return;
    await page.noteRemoval();
    await index.condemn(page.namespace, id);
    page.found('pack', id, what);
  } catch (error) {
    // It went between the list and the look.
    if (!hasCode(error, 'OBJECT_MISSING')) throw error;
  }
}

/** Removes condemned packs, now that nothing names them any more; who has their chunks may store them anew. */
export function removeCondemned(page: Page, after?: string): Promise<string | undefined> {
  const { index } = page.deps;
  return eachObject(page, 'packs', after, limits.rebuild_in_flight, async (id) => {
    if (!(await index.condemned(page.namespace, [id])).has(id)) return;
    await page.remove('packs', id);
    await index.acquit(page.namespace, id);
  });
}
