import { digest } from '../../core/api/names.ts';
import { isNone, toHex } from '../../core/fingerprint.ts';
import { segmentIdAt } from '../../core/format/root.ts';
import { limits } from '../../core/limits.ts';
import { check } from '../rest/check.ts';
import { eachObject } from './each-object.ts';
import { readRoot } from './manifest-objects.ts';
import { mend, whatIs } from './mend.ts';
import type { Page } from './page.ts';

/** Withdraws the records of layers whose roots are not there. */
export async function checkRecords(page: Page, after?: string): Promise<string | undefined> {
  const { deps, namespace } = page;
  const records = await deps.layers.list(namespace, limits.rebuild_objects_max, after);
  for (const { layerId } of records) {
    const root = await whatIs(() => readRoot(page, layerId));
    if ('wrong' in root) await withdraw(page, layerId, root.wrong);
    if (page.isOver) return layerId;
  }
  return records.length < limits.rebuild_objects_max ? undefined : records.at(-1)!.layerId;
}

/**
 * Goes through each layer's segments and mends what can be mended. A layer that then misses something is withdrawn, so
 * that who has it sends what is missing. `after` is the last root done; `<root>@<segment>` if the call before this one
 * had no time to finish it.
 */
export async function checkLayers(page: Page, after = ''): Promise<string | undefined> {
  const [last = '', from] = after.split('@');
  if (from !== undefined) {
    const left = await checkLayer(page, check(digest, last.slice(3), 'cursor'), Number.parseInt(from, 10));
    if (left !== undefined) return `${last}@${left}`;
  }
  let within: string | undefined;
  const next = await eachObject(page, 'layers', last || undefined, 1, async (id) => {
    const left = await checkLayer(page, id, 0);
    if (left !== undefined) within = `${id.slice(0, 2)}/${id}@${left}`;
  });
  return within ?? next;
}

/** Answers the segment to go on with, if time is over before the last one. */
async function checkLayer(page: Page, layerId: string, from: number): Promise<number | undefined> {
  const root = await whatIs(() => readRoot(page, layerId));
  if ('wrong' in root) return withdraw(page, layerId, root.wrong);
  const { geometry } = root.read;
  for (let first = from; first < geometry.segments; first += limits.rebuild_in_flight) {
    if (first > from && page.isOver) return first;
    const indexes = Array.from(
      { length: Math.min(limits.rebuild_in_flight, geometry.segments - first) },
      (_, at) => first + at,
    );
    const wrong = await Promise.all(indexes.map((index) => wrongWith(page, segmentIdAt(root.read, index))));
    const at = wrong.findIndex((what) => what !== undefined);
    if (at >= 0)
      return withdraw(
        page,
        layerId,
        `segment ${first + at}, from chunk ${(first + at) * limits.segment_chunks} on: ${wrong[at]}`,
      );
  }
  page.counts.layers_complete++;
  return undefined;
}

async function wrongWith(page: Page, segment: Uint8Array): Promise<string | undefined> {
  return isNone(segment) ? undefined : mend(page, toHex(segment));
}

/** First the record, then the root: what promises goes before what is promised. */
async function withdraw(page: Page, layerId: string, what: string): Promise<undefined> {
  page.found('layer', layerId, what);
  page.counts.layers_incomplete++;
  await page.noteRemoval();
  await page.deps.layers.erase(page.namespace, layerId);
  await page.remove('layers', layerId);
}
