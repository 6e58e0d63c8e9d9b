import { Readable } from 'node:stream';
import { crc32 } from 'node:zlib';
import { GetObjectCommand, type GetObjectCommandOutput, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import type { ByteRange, ObjectStore } from '../../core/ports.ts';
import { objectMissing, objectRange, objectTooLarge } from '../rules/refusals.ts';
import { collect } from './object-body.ts';
import { createAttempts, isNamed, type StorePolicy } from './object-failure.ts';

export interface BucketOptions {
  readonly client: S3Client;
  readonly bucket: string;
  /** For whole requests, bodies included: the SDK can't send a stream again, nor finish one that broke off, so its own retries are off. */
  readonly retry: StorePolicy;
}

/** Objects in an S3 bucket. Throws OBJECT_REFUSED and OBJECT_STORE_FAILED beside what the port says. */
export function createBucketObjects({ client, bucket: Bucket, retry: policy }: BucketOptions): ObjectStore {
  const attempt = createAttempts(policy);
  const sending = policy.signal === undefined ? {} : { abortSignal: policy.signal };

  async function read(key: string, Range?: string, bytesMax?: number): Promise<{ bytes: Buffer; size: number }> {
    const answer = await client.send(new GetObjectCommand({ Bucket, Key: key, ...(Range && { Range }) }), sending);
    const length = answer.ContentLength ?? 0;
    const body = bodyOf(answer);
    if (bytesMax !== undefined && length > bytesMax) {
      body.destroy();
      throw objectTooLarge(key, length, bytesMax);
    }
    const bytes = await collect(body, length, () => brokenOff(key));
    return { bytes, size: Number(answer.ContentRange?.split('/')[1] ?? length) };
  }

  return {
    /** Parts are streamed as they lie, in half the time of joining them first; S3 checks them by their CRC32. */
    put(key, parts) {
      const given = { Bucket, Key: key, IfNoneMatch: '*', ...lengthAndChecksum(parts) };
      return attempt('write', key, async () => {
        try {
          await client.send(new PutObjectCommand({ ...given, Body: Readable.from(parts) }), sending);
          return 'written';
        } catch (error) {
          if (isNamed(error, 'PreconditionFailed')) return 'present';
          throw error;
        }
      });
    },
    get: (key, part) =>
      attempt('read', key, async () => {
        try {
          if ('bytesMax' in part) return (await read(key, undefined, part.bytesMax)).bytes;
          const { bytes } = await read(key, header(key, part));
          if (bytes.length !== part.length) throw objectRange(key, part);
          return bytes;
        } catch (error) {
          if ('offset' in part && isNamed(error, 'InvalidRange')) throw objectRange(key, part, error);
          throw told(key, error);
        }
      }),
    tail: (key, bytes) =>
      attempt('read', key, async () => {
        try {
          return await read(key, `bytes=-${bytes}`);
        } catch (error) {
          // Of an empty object S3 has no range to give.
          if (isNamed(error, 'InvalidRange')) return { bytes: Buffer.alloc(0), size: 0 };
          throw told(key, error);
        }
      }),
  };
}

function lengthAndChecksum(parts: readonly Uint8Array[]) {
  const checksum = Buffer.alloc(4);
  checksum.writeUInt32BE(parts.reduce((sum, part) => crc32(part, sum), 0));
  const ContentLength = parts.reduce((sum, part) => sum + part.length, 0);
  return { ContentLength, ChecksumCRC32: checksum.toString('base64') };
}

function header(key: string, range: ByteRange): string {
  if (range.length < 1) throw objectRange(key, range);
  return `bytes=${range.offset}-${range.offset + range.length - 1}`;
}

/** S3 answers AccessDenied for an absent key to whoever may not list the bucket, as agents may not. */
function told(key: string, error: unknown): unknown {
  return isNamed(error, 'NoSuchKey', 'AccessDenied') ? objectMissing(key, error) : error;
}

function bodyOf(answer: GetObjectCommandOutput): Readable {
  return answer.Body instanceof Readable ? answer.Body : Readable.from([]);
}

/** No error of ours yet: it is transient. */
function brokenOff(key: string): Error {
  return new Error(`the body of ${key} has not the length that was announced`);
}
