/**
 * The one error of the embedded cloud's own making. `code` is stable and in CAPS, `hint` says what to do next.
 * What an emulated service answers to a caller is not this but AWS's own code and body.
 */
export class CloudError extends Error {
  override readonly name = 'CloudError';
  readonly code: string;
  readonly hint: string;

  constructor(code: string, message: string, hint: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.hint = hint;
  }
}

/** An emulated service's refusal of a call, with AWS's code and HTTP status. */
export class ServiceError extends Error {
  override readonly name = 'ServiceError';
  readonly code: string;
  readonly status: number;

  constructor(code: string, message: string, status = 400) {
    super(message);
    this.code = code;
    this.status = status;
  }
}
