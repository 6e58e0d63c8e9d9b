import type { APIGatewayProxyEvent } from 'aws-lambda';
import { LayerMoverError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import { bodyInvalid } from './check.ts';

/** The bytes of a request. Throws BODY_TOO_LARGE before it decodes more than the API allows. */
export function bytesOf({ body, isBase64Encoded }: Pick<APIGatewayProxyEvent, 'body' | 'isBase64Encoded'>): Buffer {
  const encoding = isBase64Encoded ? 'base64' : 'utf8';
  const size = Buffer.byteLength(body ?? '', encoding);
  if (size > limits.api_body_bytes_max) {
    throw new LayerMoverError('BODY_TOO_LARGE', `the body has ${size} bytes`, {
      hint: `send ${limits.api_body_bytes_max} bytes at the most`,
    });
  }
  return Buffer.from(body ?? '', encoding);
}

export function jsonOf(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString());
  } catch (cause) {
    throw bodyInvalid('the body is not JSON', undefined, cause);
  }
}
