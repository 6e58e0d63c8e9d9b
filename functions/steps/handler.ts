import { LayerMoverError } from '../../core/errors.ts';
import { type Fields, refusalOf } from '../log.ts';
import { check } from '../rest/check.ts';
import { commit, verify } from './confirm.ts';
import { decide } from './decide.ts';
import type { StepDeps } from './deps.ts';
import { dispatch } from './dispatch.ts';
import { ended } from './ended.ts';
import { finish } from './finish.ts';
import { type InputOf, type Step, stepInput } from './input.ts';
import { named } from './named-error.ts';
import { plan } from './plan.ts';
import { prepare } from './prepare.ts';
import { rollback, rollbackVm } from './rollback.ts';

type Steps = { readonly [S in Step]: (deps: StepDeps, input: InputOf<S>) => Promise<object> };

const steps: Steps = {
  prepare,
  plan,
  dispatch,
  decide,
  verify,
  commit,
  'rollback-vm': rollbackVm,
  rollback,
  finish,
  ended,
};

/** The workflow's Lambda states. Each may run twice, or again after a crash in its middle. */
export function createHandler(deps: StepDeps): (event: unknown) => Promise<object> {
  return async (event) => {
    deps.log.about(aboutOf(event));
    try {
      const input = check(stepInput, event, 'step');
      const step = steps[input.step] as (deps: StepDeps, input: object) => Promise<object>;
      const answer = await step(deps, input);
      deps.log.info('step done');
      return answer;
    } catch (error) {
      if (error instanceof LayerMoverError) deps.log.warn('step refused', refusalOf(error));
      else deps.log.error('step failed', error);
      throw named(error);
    }
  };
}

/** What a log may tell of an event: the token is nobody's business. */
function aboutOf(event: unknown): Fields {
  const { token: _, ...fields } = (event ?? {}) as Record<string, unknown>;
  return fields;
}
