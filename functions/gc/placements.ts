import { hasCode } from '../../core/errors.ts';
import { toHex } from '../../core/fingerprint.ts';
import { decodePlacement } from '../../core/format/placement.ts';
import { limits } from '../../core/limits.ts';
import type { Page } from './page.ts';
import { storeDamaged } from './records.ts';
import { sweep } from './sweep.ts';

/**
 * Sweeps placements, and notes which packs those name that stay: packs of placements that are needed are needed; those of
 * the others may not go before their placements.
 */
export function sweepPlacements(page: Page, after?: string): Promise<string | undefined> {
  return sweep(page, 'placements', after, {
    tell: async (id, fate) => {
      if (fate === 'removed') return;
      for (const pack of await packsOf(page, id, fate === 'needed')) {
        if (fate === 'needed') page.need('packs', pack);
        else page.name(pack);
      }
    },
  });
}

/** The packs of the namespace that a placement names. One that can't be read, and that nothing needs, names none. */
async function packsOf(page: Page, id: string, isNeeded: boolean): Promise<Set<string>> {
  try {
    const bytes = await page.deps.objects.get(page.keyOf('placements', id), { bytesMax: limits.placement_bytes_max });
    const { frames } = decodePlacement(bytes);
    return new Set(frames.filter(({ scope }) => scope === 'namespace').map(({ pack }) => toHex(pack)));
  } catch (error) {
    if (!hasCode(error, 'OBJECT_MISSING', 'OBJECT_TOO_LARGE', 'FORMAT_REFUSED', 'PLACEMENT_CORRUPT')) throw error;
    if (isNeeded) throw storeDamaged(`the placement of segment ${id} is gone or damaged`, { segment: id });
    return new Set();
  }
}
