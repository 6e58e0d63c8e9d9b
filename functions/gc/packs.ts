import { hasCode } from '../../core/errors.ts';
import type { Footer } from '../../core/format/footer.ts';
import { hooksIn } from '../packs/add-rows.ts';
import { readFooter } from '../packs/read-footer.ts';
import type { Page } from './page.ts';
import { sweep } from './sweep.ts';

/** Sweeps packs: from the moment that a removal begins the pack is promised to nobody; then its rows go, then itself. */
export function sweepPacks(page: Page, after?: string): Promise<string | undefined> {
  const footers = new Map<string, Footer>();
  return sweep(page, 'packs', after, {
    async mayGo(id) {
      if (page.isNamed(id)) return false;
      const footer = await soundFooter(page, id);
      if (footer !== undefined) footers.set(id, footer);
      return footer !== undefined;
    },
    async takeOut(id) {
      const { index, objects, sampling } = page.deps;
      const hooks = hooksIn(footers.get(id)!, sampling);
      footers.delete(id);
      page.counts.rowsRemoved += await index.remove(page.namespace, hooks, id);
      await objects.remove([page.keyOf('packs', id)]);
    },
  });
}

/** Undefined for a damaged pack: a rebuild takes that out, and finds its rows by going through all of them. */
async function soundFooter({ deps, namespace }: Page, id: string): Promise<Footer | undefined> {
  if ((await deps.index.condemned(namespace, [id])).size > 0) return undefined;
  try {
    return await readFooter(deps.objects, namespace, id);
  } catch (error) {
    if (hasCode(error, 'FORMAT_REFUSED', 'FORMAT_VERSION', 'OBJECT_MISSING')) return undefined;
    throw error;
  }
}
