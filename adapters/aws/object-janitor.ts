import { type _Error, DeleteObjectsCommand, ListObjectsV2Command } from '@aws-sdk/client-s3';
import { LayerMoverError } from '../../core/errors.ts';
import type { ObjectJanitor, StoredObject } from '../../core/ports.ts';
import { type BucketOptions, createBucketObjects } from './bucket-objects.ts';
import { createAttempts } from './object-failure.ts';

/** S3's own bound of both calls. */
const KEYS_PER_CALL = 1000;

/** Objects in an S3 bucket that may be listed and removed, too. */
export function createObjectJanitor(options: BucketOptions): ObjectJanitor {
  const { client, bucket: Bucket } = options;
  const attempt = createAttempts(options.retry);

  async function sizes(prefix: string, limit: number, after?: string): Promise<StoredObject[]> {
    const found: StoredObject[] = [];
    let last = after;
    let isMore = true;
    while (isMore && found.length < limit) {
      const MaxKeys = Math.min(KEYS_PER_CALL, limit - found.length);
      const StartAfter = last === undefined ? {} : { StartAfter: last };
      const command = new ListObjectsV2Command({ Bucket, Prefix: prefix, MaxKeys, ...StartAfter });
      const page = await attempt('list', prefix, () => client.send(command));
      found.push(...(page.Contents ?? []).map(({ Key, Size }) => ({ key: Key!, bytes: Size ?? 0 })));
      last = found.at(-1)?.key;
      isMore = page.IsTruncated === true;
    }
    return found;
  }

  return {
    ...createBucketObjects(options),
    sizes,
    list: async (prefix, limit, after) => (await sizes(prefix, limit, after)).map(({ key }) => key),
    async remove(keys) {
      for (let at = 0; at < keys.length; at += KEYS_PER_CALL) {
        const Objects = keys.slice(at, at + KEYS_PER_CALL).map((Key) => ({ Key }));
        const command = new DeleteObjectsCommand({ Bucket, Delete: { Objects, Quiet: true } });
        const { Errors = [] } = await attempt('remove', keys[at]!, () => client.send(command));
        if (Errors.length > 0) throw notRemoved(Errors);
      }
    },
  };
}

function notRemoved(errors: readonly _Error[]): LayerMoverError {
  const { Key, Code } = errors[0]!;
  return new LayerMoverError(
    'OBJECT_STORE_FAILED',
    `${errors.length} objects could not be removed, first ${Key}: ${Code}`,
    {
      data: { key: Key },
    },
  );
}
