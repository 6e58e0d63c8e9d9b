import * as z from 'zod';
import { requestKey } from '../../core/api/events.ts';
import { LayerMoverError } from '../../core/errors.ts';
import { sha256, toHex } from '../../core/fingerprint.ts';
import { limits } from '../../core/limits.ts';
import type { RequestDeps } from './deps.ts';

/** What S3 tells EventBridge of a new object; the same content under the same key is the same request. */
export const createdObject = z
  .object({
    object: z.object({
      key: requestKey,
      size: z.number().int().max(limits.request_object_bytes_max),
      etag: z.string(),
    }),
  })
  .transform(({ object: { key, etag } }) => ({
    key,
    requestId: `object:${toHex(sha256(Buffer.from(`${key}\n${etag}`))).slice(0, 32)}`,
  }));

/** The JSON that an object holds. Errors: BODY_INVALID and those of the store. */
export async function readRequest({ objects }: RequestDeps, { key }: { key: string }): Promise<unknown> {
  const bytes = await objects.get(key, { bytesMax: limits.request_object_bytes_max });
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch (cause) {
    throw new LayerMoverError('BODY_INVALID', `${key} is not JSON`, { data: { key }, cause });
  }
}
