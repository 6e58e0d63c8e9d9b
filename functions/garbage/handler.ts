import type { CloudPorts } from '../../adapters/cloud-ports.ts';
import type { CollectionView } from '../../core/api/garbage.ts';
import { LayerMoverError } from '../../core/errors.ts';
import type { CollectionRun } from '../../core/garbage.ts';
import type { Clock } from '../../core/ports.ts';
import { requireUnbound } from '../agents/access.ts';
import type { Telling } from '../cloud.ts';
import { begin } from '../gc/begin.ts';
import type { Call } from '../rest/call.ts';
import { createRestHandler, type RestHandler } from '../rest/handler.ts';

export interface GarbageDeps extends Pick<CloudPorts, 'hosts' | 'collections' | 'collector'>, Pick<Telling, 'log'> {
  readonly clock: Clock;
}

/** What users ask of garbage collection; the work itself is the workflow's (functions/gc). */
export function createHandler(deps: GarbageDeps): RestHandler {
  return createRestHandler(
    'garbage',
    {
      collectGarbage: (call) => start(deps, call),
      getCollection: (call) => find(deps, call),
    },
    deps,
  );
}

/** Begins a collection. Throws COLLECTION_RUNNING while another one goes on, CALLER_REFUSED for who is bound to a host. */
async function start(deps: GarbageDeps, call: Call<'collectGarbage'>): Promise<CollectionView> {
  await requireUnbound(deps, call, 'collect garbage');
  const { namespace, body } = call;
  const { id, dry_run } = body;
  const run = await begin(deps, { namespace, id, dryRun: dry_run });
  if (run.id !== id)
    throw new LayerMoverError('COLLECTION_RUNNING', `garbage collection ${run.id} goes on`, {
      hint: 'wait until it has ended, then ask again',
      data: { collection: run.id },
    });
  if (run.state === 'running') await deps.collector.start(id, { namespace, dry_run });
  return viewOf(run);
}

async function find({ collections }: GarbageDeps, { namespace, path }: Call<'getCollection'>): Promise<CollectionView> {
  const run = await collections.find(namespace);
  if (run?.id === path.collection) return viewOf(run);
  throw new LayerMoverError('COLLECTION_UNKNOWN', `there is no garbage collection ${path.collection}`, {
    hint: 'the last one of a namespace is known, and no other',
  });
}

function viewOf(run: CollectionRun): CollectionView {
  const { id, state, phase, startedMs, updatedMs, endedMs, error, counts } = run;
  return {
    id,
    dry_run: run.dryRun,
    state,
    phase,
    started_ms: startedMs,
    updated_ms: updatedMs,
    ...(endedMs === undefined ? {} : { ended_ms: endedMs }),
    objects: counts.objects,
    layers_kept: counts.layersKept,
    layers_withdrawn: counts.layersWithdrawn,
    rows_removed: counts.rowsRemoved,
    ...(error === undefined ? {} : { error }),
  };
}
