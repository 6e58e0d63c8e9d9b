import { type ErrorJson, LayerMoverError } from '../../core/errors.ts';
import { type Fields, refusalOf } from '../log.ts';
import { boundedError } from '../records/bounded-error.ts';
import { check } from '../rest/check.ts';
import { commit, verify } from './confirm.ts';
import { decide } from './decide.ts';
import type { StepDeps } from './deps.ts';
import { dispatch } from './dispatch.ts';
import { ended } from './ended.ts';
import { finish } from './finish.ts';
import { type InputOf, type Step, stepInput } from './input.ts';
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

/**
 * The workflow hears of an error what Lambda tells it, its name and message: the code, to match on, and all that users
 * may see of it as JSON.
 */
function named(error: unknown): Error {
  const told = error instanceof LayerMoverError ? boundedError(error.toJSON(), 0) : INTERNAL;
  return Object.assign(new Error(JSON.stringify(told), { cause: error }), { name: told.code });
}

const INTERNAL: ErrorJson = {
  code: 'INTERNAL',
  message: 'a step of the workflow failed for a reason of its own',
  hint: 'the functions’ logs tell it',
};
