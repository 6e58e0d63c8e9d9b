import { type ErrorJson, LayerMoverError } from '../../core/errors.ts';
import { boundedError } from '../records/bounded-error.ts';

/**
 * The workflow hears of an error what Lambda tells it, its name and message: the code, to match on, and all that users
 * may see of it as JSON.
 */
export function named(error: unknown): Error {
  const told = error instanceof LayerMoverError ? boundedError(error.toJSON(), 0) : INTERNAL;
  return Object.assign(new Error(JSON.stringify(told), { cause: error }), { name: told.code });
}

const INTERNAL: ErrorJson = {
  code: 'INTERNAL',
  message: 'a step of the workflow failed for a reason of its own',
  hint: 'the functions’ logs tell it',
};
