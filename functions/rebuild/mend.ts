import { hasCode } from '../../core/errors.ts';
import { encodePlacement } from '../../core/format/placement.ts';
import { DATA } from '../../core/format/segment.ts';
import { isDamage } from './damage.ts';
import { readPlacement, readSegment } from './manifest-objects.ts';
import type { Page } from './page.ts';
import { findIn, fingerprintsOf, packsOf, placementOf, placesAll } from './place.ts';

/**
 * Looks at a segment of the namespace, and at its placement: if that is missing, damaged, or names what is not there, it
 * is made anew from the packs that it and the index name. Answers what stays wrong: then the segment can't be pulled.
 */
export async function mend(page: Page, id: string): Promise<string | undefined> {
  const segment = await whatIs(() => readSegment(page, id));
  if ('wrong' in segment) return segment.wrong;
  const content = segment.read;
  if (content.count(DATA) === 0) return undefined;
  const placement = await whatIs(() => readPlacement(page, id));
  if ('read' in placement && (await placesAll(page, placement.read, content))) return undefined;

  const why = 'wrong' in placement ? placement.wrong : 'its placement names what is not there';
  const fingerprints = fingerprintsOf(content);
  const named = 'read' in placement ? packsOf(placement.read) : [];
  const places = await findIn(page, fingerprints, [...new Set([...(await page.packsFor(fingerprints)), ...named])]);
  const found = places.filter((place) => place !== undefined);
  if (found.length < places.length) return `${why}; ${places.length - found.length} of its chunks are in no sound pack`;
  const made = placementOf(content, found);
  await page.takeIntoUse(packsOf(made));
  await page.replacePlacement(id, encodePlacement(made));
  return undefined;
}

/** What a reader gives, or what is wrong with the object; absence is wrong, too. Damage is read once more. */
export async function whatIs<T>(read: () => Promise<T>): Promise<{ readonly read: T } | { readonly wrong: string }> {
  try {
    return { read: await read().catch((error: unknown) => (isDamage(error) ? read() : Promise.reject(error))) };
  } catch (error) {
    if (isDamage(error) || hasCode(error, 'OBJECT_MISSING')) return { wrong: error.message };
    throw error;
  }
}
