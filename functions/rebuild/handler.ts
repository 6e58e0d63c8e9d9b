import { REBUILD_PHASES, type RebuildAnswer, type RebuildPhase } from '../../core/api/rebuild.ts';
import type { Call } from '../rest/call.ts';
import { createRestHandler, type RestDeps, type RestHandler } from '../rest/handler.ts';
import { checkLayers, checkRecords } from './layers.ts';
import { judgePacks, removeCondemned } from './packs.ts';
import { Page, type RebuildDeps } from './page.ts';
import { dropRows, writeRows } from './rows.ts';
import { checkPlacements, checkSegments } from './segments.ts';

/** Goes on after `after` as far as the call has time; answers the cursor to go on from, undefined when the phase is done. */
type Phase = (page: Page, after?: string) => Promise<string | undefined>;

const PHASES: Readonly<Record<RebuildPhase, Phase>> = {
  packs: judgePacks,
  rows: dropRows,
  index: writeRows,
  records: checkRecords,
  layers: checkLayers,
  segments: checkSegments,
  placements: checkPlacements,
  removal: removeCondemned,
};

/** POST /index/rebuild: a page at a time, each with bounded work. Every step may be done again, and be cut off. */
export function createHandler(deps: RebuildDeps & RestDeps): RestHandler {
  return createRestHandler('rebuild', { rebuildIndex: (call) => rebuild(deps, call) }, deps);
}

async function rebuild(deps: RebuildDeps, { namespace, body }: Call<'rebuildIndex'>): Promise<RebuildAnswer> {
  const { check } = body;
  const page = new Page(deps, namespace, check);
  let { phase, after } = body;
  for (;;) {
    after = await PHASES[phase](page, after);
    if (after !== undefined) return page.answer({ phase, after });
    const next = REBUILD_PHASES[REBUILD_PHASES.indexOf(phase) + 1];
    if (next === undefined) return page.answer(undefined);
    phase = next;
    if (page.isOver) return page.answer({ phase });
  }
}
