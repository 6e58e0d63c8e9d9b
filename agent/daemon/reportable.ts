import { type ErrorJson, errorToJson } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';

const TEXT_MAX = 4096;

/** An error in the form and size that a report may have. */
export function reportable(error: unknown): ErrorJson {
  return cut(errorToJson(error));
}

function cut({ code, message, hint, data, cause }: ErrorJson): ErrorJson {
  return {
    code: code.slice(0, limits.name_length_max),
    message: message.slice(0, TEXT_MAX),
    ...(hint === undefined ? {} : { hint: hint.slice(0, TEXT_MAX) }),
    ...(data === undefined ? {} : { data }),
    ...(cause === undefined ? {} : { cause: cut(cause) }),
  };
}
