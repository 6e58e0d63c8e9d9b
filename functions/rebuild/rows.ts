import pLimit from 'p-limit';
import { hasCode } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import { addRows } from '../packs/add-rows.ts';
import { isDamage } from './damage.ts';
import { eachObject } from './each-object.ts';
import type { Page } from './page.ts';

/** Removes rows that name a pack which is condemned or not there. Goes through the index part by part; `after` counts them. */
export async function dropRows(page: Page, after = '0'): Promise<string | undefined> {
  const sound = new Set<string>();
  for (let part = Number.parseInt(after, 10); part < limits.rebuild_row_parts; part++) {
    if (page.isOver) return String(part);
    const rows = await page.deps.index.rows(page.namespace, part, limits.rebuild_row_parts);
    const hooksOf = Map.groupBy(rows.keys(), (hook) => rows.get(hook)!);
    await look(page, [...hooksOf.keys()], sound);
    for (const [pack, hooks] of hooksOf) {
      if (!sound.has(pack)) page.counts.rows_removed += await page.deps.index.remove(page.namespace, hooks, pack);
    }
    if (sound.size > limits.rebuild_packs_known) sound.clear();
  }
  return undefined;
}

/** Adds to `sound` those of the packs that are there and not condemned. */
async function look(page: Page, packs: readonly string[], sound: Set<string>): Promise<void> {
  const unknown = packs.filter((pack) => !sound.has(pack));
  const condemned = await page.deps.index.condemned(page.namespace, unknown);
  await pLimit(limits.footer_reads_in_flight).map(unknown, async (pack) => {
    if (!condemned.has(pack) && (await exists(page, pack))) sound.add(pack);
  });
}

async function exists(page: Page, pack: string): Promise<boolean> {
  try {
    await page.deps.objects.tail(page.keyOf('packs', pack), 1);
    return true;
  } catch (error) {
    if (hasCode(error, 'OBJECT_MISSING')) return false;
    throw error;
  }
}

/** Writes the rows of packs from their footers. */
export function writeRows(page: Page, after?: string): Promise<string | undefined> {
  return eachObject(page, 'packs', after, limits.rebuild_in_flight, async (id) => {
    try {
      const added = await addRows(page.deps, page.namespace, [id]);
      page.counts.rows_written += added;
    } catch (error) {
      // Condemned, or being removed; or it went, or was damaged, since it was judged: then the next rebuild sees to it.
      if (!isDamage(error) && !hasCode(error, 'PACK_CONDEMNED', 'OBJECT_LEAVING', 'OBJECT_MISSING')) throw error;
    }
  });
}
