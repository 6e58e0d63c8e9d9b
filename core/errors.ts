/** How an error travels as JSON: in problem+json bodies, task reports and workflow failures. */
export interface ErrorJson {
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
  readonly data?: Readonly<Record<string, unknown>>;
  readonly cause?: ErrorJson;
}

export interface ErrorOptions {
  readonly hint?: string | undefined;
  readonly data?: Readonly<Record<string, unknown>> | undefined;
  readonly cause?: unknown;
}

const MAX_CAUSES = 5;

/**
 * The one error type of the product. `code` is stable and in CAPS: scripts and the workflow match on it.
 * `hint` tells the reader what to do next, `data` what it was about; both survive a trip through JSON.
 */
export class LayerMoverError extends Error {
  override readonly name = 'LayerMoverError';
  readonly code: string;
  readonly hint: string | undefined;
  readonly data: Readonly<Record<string, unknown>> | undefined;

  constructor(code: string, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
    this.data = options.data;
  }

  toJSON(): ErrorJson {
    return errorToJson(this);
  }
}

/** Any thrown value as JSON; foreign errors get their own code (ENOENT, ThrottlingException …) or INTERNAL. */
export function errorToJson(error: unknown, depth = 0): ErrorJson {
  const { code, message, hint, data, cause } = describe(error);
  return {
    code,
    message,
    ...(hint === undefined ? {} : { hint }),
    ...(data === undefined ? {} : { data }),
    ...(cause === undefined || depth >= MAX_CAUSES ? {} : { cause: errorToJson(cause, depth + 1) }),
  };
}

function describe(error: unknown) {
  if (error instanceof LayerMoverError) return error;
  if (error instanceof Error) {
    const own = (error as { code?: unknown }).code;
    const code = typeof own === 'string' ? own : error.name === 'Error' ? 'INTERNAL' : error.name;
    return { code, message: error.message, cause: error.cause, hint: undefined, data: undefined };
  }
  return { code: 'INTERNAL', message: String(error), cause: undefined, hint: undefined, data: undefined };
}

/** The error a JSON form was made from. */
export function errorFromJson(json: ErrorJson): LayerMoverError {
  return new LayerMoverError(json.code, json.message, {
    hint: json.hint,
    data: json.data,
    ...(json.cause === undefined ? {} : { cause: errorFromJson(json.cause) }),
  });
}

/** True for an error of ours with one of these codes. */
export function hasCode(error: unknown, ...codes: readonly string[]): error is LayerMoverError {
  return error instanceof LayerMoverError && codes.includes(error.code);
}
