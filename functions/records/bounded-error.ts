import type { ErrorJson } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';

const CAUSES_MAX = 2;
const CODE = /^\w{1,64}$/;

/**
 * An error in a size that records and the workflow's state can carry, with so many of its causes. A code that is not a
 * plain word could pass for one of the workflow's own errors (States.…), so it becomes AGENT_FAILED.
 */
export function boundedError(error: ErrorJson, causes = CAUSES_MAX): ErrorJson {
  const { code, message, hint, data, cause } = error;
  const small = data !== undefined && JSON.stringify(data).length <= limits.notes_characters_max;
  return {
    code: CODE.test(code) ? code : 'AGENT_FAILED',
    message: message.slice(0, limits.notes_characters_max),
    ...(hint === undefined ? {} : { hint: hint.slice(0, limits.notes_characters_max) }),
    ...(small ? { data } : {}),
    ...(cause === undefined || causes === 0 ? {} : { cause: boundedError(cause, causes - 1) }),
  };
}
