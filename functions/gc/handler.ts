import { LayerMoverError } from '../../core/errors.ts';
import { type Fields, refusalOf } from '../log.ts';
import { boundedError } from '../records/bounded-error.ts';
import { check } from '../rest/check.ts';
import { failureOf } from '../steps/failure.ts';
import { named } from '../steps/named-error.ts';
import { begin } from './begin.ts';
import { collect, requireCollection } from './collect.ts';
import type { CollectionDeps } from './deps.ts';
import { type CollectionInput, collectionInput, type InputOf } from './input.ts';

/** The Lambda states of garbage collection. Each may run twice, or again after a crash in its middle. */
export function createHandler(deps: CollectionDeps): (event: unknown) => Promise<object> {
  return async (event) => {
    deps.log.about(aboutOf(event));
    try {
      const answer = await work(deps, check(collectionInput, event, 'step'));
      deps.log.info('step done');
      return answer;
    } catch (error) {
      if (error instanceof LayerMoverError) deps.log.warn('step refused', refusalOf(error));
      else deps.log.error('step failed', error);
      throw named(error);
    }
  };
}

async function work(deps: CollectionDeps, input: CollectionInput): Promise<object> {
  const { namespace, collection: id } = input;
  if (input.step === 'collect') return await collect(deps, namespace, id);
  if (input.step === 'give-up') return await giveUp(deps, input);
  const has = await begin(deps, { namespace, id, dryRun: input.dry_run });
  return { begun: has.id === id };
}

/** A page failed for good: the run ends there. What it removed is gone, all else is as it was. */
async function giveUp(deps: CollectionDeps, { namespace, collection, error }: InputOf<'give-up'>): Promise<object> {
  const run = await requireCollection(deps, namespace, collection);
  if (run.state !== 'running') return {};
  const nowMs = deps.clock.nowMs();
  const failure = boundedError(failureOf(error));
  const ended = {
    ...run,
    state: 'failed',
    page: run.page + 1,
    error: failure,
    endedMs: nowMs,
    updatedMs: nowMs,
  } as const;
  if (await deps.collections.replace(run, ended))
    deps.log.warn('collection failed', { code: failure.code, detail: failure.message });
  return {};
}

function aboutOf(event: unknown): Fields {
  const { step, namespace, collection } = (event ?? {}) as Record<string, unknown>;
  return { step, namespace, collection };
}
