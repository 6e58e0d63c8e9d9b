import { hasCode, LayerMoverError } from '../../core/errors.ts';
import { COLLECTION_PHASES, type CollectionPhase, type CollectionRun } from '../../core/garbage.ts';
import { limits } from '../../core/limits.ts';
import type { CollectionDeps } from './deps.ts';
import { sweepMigrations } from './left-overs.ts';
import { sweepPacks } from './packs.ts';
import { filtersOf, Page } from './page.ts';
import { sweepPlacements } from './placements.ts';
import { markRecords } from './records.ts';
import { sweep } from './sweep.ts';
import { tellDone } from './tell-done.ts';

/** Goes on after `after` as far as the call has time; answers where to go on, undefined when the phase is done. */
type Phase = (page: Page, after?: string) => Promise<string | undefined>;

const PHASES: Readonly<Record<CollectionPhase, Phase>> = {
  records: markRecords,
  layers: (page, after) => sweep(page, 'layers', after),
  segments: (page, after) => sweep(page, 'segments', after),
  placements: sweepPlacements,
  packs: sweepPacks,
  migrations: sweepMigrations,
};

/**
 * Does one page of a collection and stores how far it is; answers whether there is more. A page that is done twice does no
 * harm: one of the two is counted, and the next goes on after that.
 */
export async function collect(deps: CollectionDeps, namespace: string, id: string): Promise<{ more: boolean }> {
  const run = await requireCollection(deps, namespace, id);
  if (run.state !== 'running') return { more: false };
  const page = await Page.open(deps, run).catch((error: unknown) => unlessDone(deps, run, error));
  if (page === undefined) return { more: false };
  const next = await work(page);
  const done = await page.result(next);
  if (!(await deps.collections.replace(run, done)))
    return { more: (await requireCollection(deps, namespace, id)).state === 'running' };
  if (next === undefined) {
    tellDone(deps, done);
    await removeFilters(deps, namespace);
  }
  return { more: next !== undefined };
}

/** The last page, done elsewhere meanwhile, removes what this one would begin with. */
async function unlessDone(deps: CollectionDeps, { namespace, id }: CollectionRun, error: unknown): Promise<undefined> {
  if (hasCode(error, 'OBJECT_MISSING') && (await requireCollection(deps, namespace, id)).state !== 'running')
    return undefined;
  throw error;
}

async function work(page: Page): Promise<{ phase: CollectionPhase; after?: string } | undefined> {
  let phase: CollectionPhase | undefined = page.run.phase;
  let after = page.run.after;
  while (phase !== undefined) {
    after = await PHASES[phase](page, after);
    if (after !== undefined) return { phase, after };
    phase = COLLECTION_PHASES[COLLECTION_PHASES.indexOf(phase) + 1];
    if (phase !== undefined && page.isOver) return { phase };
  }
  return undefined;
}

/** The run, if the namespace is still its own. Throws COLLECTION_STALE. */
export async function requireCollection(
  { collections }: Pick<CollectionDeps, 'collections'>,
  namespace: string,
  id: string,
): Promise<CollectionRun> {
  const run = await collections.find(namespace);
  if (run?.id === id) return run;
  throw new LayerMoverError('COLLECTION_STALE', `another garbage collection of ${namespace} has begun since`);
}

/** Those of this run, and what runs that failed have left. */
async function removeFilters({ objects }: CollectionDeps, namespace: string): Promise<void> {
  for (;;) {
    const keys = await objects.list(filtersOf(namespace), limits.collection_objects_max);
    await objects.remove(keys);
    if (keys.length < limits.collection_objects_max) return;
  }
}
