import { type BodyDigest, RequestBody } from './body.ts';
import { answerEmpty, type Call, tellCreated } from './call.ts';
import { writeCondition } from './conditions.ts';
import { checksumHeaders, type Description, describeObject } from './headers.ts';
import { S3_LIMITS } from './limits.ts';
import type { ObjectRecord } from './object-file.ts';

/** PutObject: visible at once and durable, or not at all. Its condition is checked before the body is taken and at the end. */
export async function putObject(call: Call): Promise<void> {
  const { request, res, bucket, store } = call;
  const check = writeCondition(request);
  const description = describeObject(request);
  const body = await RequestBody.open(request, res, S3_LIMITS.maxPutBytes);
  check(bucket.objects.record(request.keyBytes));
  const record = await store.stage(
    { bytes: body.chunks(), size: body.size },
    () => newRecord(call, description, body.digest),
    (file) => bucket.objects.publish(file, request.keyBytes, check),
  );
  tellCreated(call, record);
  answerEmpty(res, 200, { etag: `"${record.etag}"`, ...checksumHeaders(record.checksum) });
}

/** The record of an object that is complete now. */
export function newRecord(
  { request, clock }: Call,
  { contentHeaders, userMetadata }: Description,
  { size, md5, checksum }: BodyDigest,
): ObjectRecord {
  return {
    key: request.keyBytes,
    size,
    etag: md5,
    modifiedMs: Math.floor(clock.nowMs() / 1000) * 1000,
    contentHeaders,
    userMetadata,
    ...(checksum === undefined ? {} : { checksum }),
  };
}
