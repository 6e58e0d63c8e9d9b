import { STATUS_CODES } from 'node:http';
import type { APIGatewayProxyResult } from 'aws-lambda';
import { statusOfCode } from '../../core/api/codes.ts';
import type { Problem } from '../../core/api/views.ts';
import { LayerMoverError } from '../../core/errors.ts';

/** A call's answer as the gateway takes it: bytes as they are, everything else as JSON. */
export function reply(answer: unknown): APIGatewayProxyResult {
  if (answer instanceof Uint8Array) {
    return {
      statusCode: 200,
      headers: { 'content-type': 'application/octet-stream' },
      body: Buffer.from(answer.buffer, answer.byteOffset, answer.byteLength).toString('base64'),
      isBase64Encoded: true,
    };
  }
  return { statusCode: 200, headers: { 'content-type': 'application/json' }, body: JSON.stringify(answer) };
}

const internal = new LayerMoverError('INTERNAL', 'something went wrong here, not with the request', {
  hint: 'try again; the functions’ logs tell what it was: look for the request',
});

/** True if the API may tell of this error; of any other it tells only that there was one. */
export function isTold(error: unknown): error is LayerMoverError {
  return error instanceof LayerMoverError && Object.hasOwn(statusOfCode, error.code);
}

/** An error as problem details (RFC 9457) with a stable `code`. What is not told is found in the log by the request's id. */
export function problemReply(error: unknown, request: string): APIGatewayProxyResult {
  const { code, message, hint, data } = isTold(error) ? error : internal;
  const status = statusOfCode[code] ?? 500;
  const body: Problem = {
    type: `urn:layermover:error:${code}`,
    instance: `urn:layermover:request:${request}`,
    title: STATUS_CODES[status] ?? 'Error',
    status,
    code,
    detail: message,
    ...(hint === undefined ? {} : { hint }),
    ...(data === undefined ? {} : { data }),
  };
  return { statusCode: status, headers: { 'content-type': 'application/problem+json' }, body: JSON.stringify(body) };
}
