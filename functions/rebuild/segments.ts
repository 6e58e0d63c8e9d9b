import { limits } from '../../core/limits.ts';
import { eachObject } from './each-object.ts';
import { readPlacement } from './manifest-objects.ts';
import { mend, whatIs } from './mend.ts';
import type { Page } from './page.ts';
import { packsOf } from './place.ts';

/** Removes segments that can't be pulled. No root names them by now. */
export function checkSegments(page: Page, after?: string): Promise<string | undefined> {
  return eachObject(page, 'segments', after, limits.rebuild_in_flight, async (id) => {
    const wrong = await mend(page, id);
    if (wrong === undefined) return;
    page.found('segment', id, wrong);
    await page.remove('segments', id);
  });
}

/** Removes placements that are damaged, or name what is not there. Those of segments that are there are mended by now. */
export function checkPlacements(page: Page, after?: string): Promise<string | undefined> {
  return eachObject(page, 'placements', after, limits.rebuild_in_flight, async (id) => {
    const wrong = await wrongWith(page, id);
    if (wrong === undefined) return;
    page.found('placement', id, wrong);
    await page.remove('placements', id);
  });
}

async function wrongWith(page: Page, id: string): Promise<string | undefined> {
  const placement = await whatIs(() => readPlacement(page, id));
  if ('wrong' in placement) return placement.wrong;
  const packs = packsOf(placement.read);
  const there = await page.contentsOf(packs);
  return packs.every((pack) => there.has(pack)) ? undefined : 'it names a pack that is not there';
}
