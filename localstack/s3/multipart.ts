import { randomBytes } from 'node:crypto';
import { xml } from '../identity/xml.ts';
import { RequestBody } from './body.ts';
import { answerEmpty, answerXml, type Call, S3_NAMESPACE, tellCreated } from './call.ts';
import { CHECKSUM_HEADER } from './checksums.ts';
import { writeCondition } from './conditions.ts';
import { readXmlBody } from './delete-objects.ts';
import { S3Error } from './errors.ts';
import { checksumHeaders, describeObject } from './headers.ts';
import { S3_LIMITS } from './limits.ts';
import type { ObjectRecord } from './object-file.ts';
import { joinedEtag, type Part, parsePartList, partBytes } from './parts.ts';
import { newRecord } from './put-object.ts';

/**
 * Multipart uploads. An upload is a tree of its own beside the bucket's objects: `<id>/upload`, an empty object with the
 * metadata of the one to come, and `<id>/parts/<number>`. The finished object has no checksum of the whole; those of the
 * parts were verified when they arrived.
 */
export async function createUpload(call: Call): Promise<void> {
  const { request, res, bucket, store } = call;
  const id = randomBytes(24).toString('hex');
  const record = newRecord(call, describeObject(request), { size: 0, md5: '', checksum: undefined });
  await store.stage(
    { bytes: noBytes(), size: 0 },
    () => record,
    (file) => bucket.uploads.publish(file, `${id}/upload`, () => {}),
  );
  const names = [xml('Bucket', bucket.name), xml('Key', request.key), xml('UploadId', id)];
  answerXml(res, xml('InitiateMultipartUploadResult', names, S3_NAMESPACE));
}

export async function uploadPart(call: Call): Promise<void> {
  const { request, res, bucket, store } = call;
  const { id } = findUpload(call);
  const path = partKey(id, readPartNumber(request.query.get('partNumber')));
  const body = await RequestBody.open(request, res, S3_LIMITS.maxPutBytes);
  const nothing = { contentHeaders: {}, userMetadata: {} };
  const record = await store.stage(
    { bytes: body.chunks(), size: body.size },
    () => newRecord(call, nothing, body.digest),
    (file) => bucket.uploads.publish(file, path, () => void findUpload(call)),
  );
  answerEmpty(res, 200, { etag: `"${record.etag}"`, ...checksumHeaders(record.checksum) });
}

export async function completeUpload(call: Call): Promise<void> {
  const { request, res, bucket, store } = call;
  const { id, upload } = findUpload(call);
  const check = writeCondition(request);
  const wholeChecksum = Object.keys(request.req.headers).find((name) => CHECKSUM_HEADER.test(name));
  if (wholeChecksum !== undefined) throw new S3Error('NotImplemented', `${wholeChecksum} of a multipart object`);
  check(bucket.objects.record(request.keyBytes));
  const parts = readParts(call, id, await readXmlBody(call, false));
  const size = parts.reduce((sum, { record }) => sum + record.size, 0);
  const digest = { size, md5: joinedEtag(parts), checksum: undefined };
  const record = await store.stage(
    { bytes: partBytes(bucket.uploads, parts), size },
    () => newRecord(call, upload, digest),
    (file) => bucket.objects.publish(file, request.keyBytes, check),
  );
  tellCreated(call, record);
  await removeUpload(call, id);
  const names = [xml('Bucket', bucket.name), xml('Key', request.key), xml('ETag', `"${record.etag}"`)];
  answerXml(res, xml('CompleteMultipartUploadResult', names, S3_NAMESPACE));
}

export async function abortUpload(call: Call): Promise<void> {
  await removeUpload(call, findUpload(call).id);
  answerEmpty(call.res, 204);
}

export async function listParts(call: Call): Promise<void> {
  const { request, res, bucket } = call;
  const { id } = findUpload(call);
  const marker = Number(request.query.get('part-number-marker') ?? 0);
  const maxParts = Math.min(Number(request.query.get('max-parts') ?? S3_LIMITS.maxListParts), S3_LIMITS.maxListParts);
  if (!Number.isInteger(marker) || !(maxParts > 0)) throw new S3Error('InvalidArgument');
  const elements: string[] = [];
  let last = marker;
  let isTruncated = false;
  for await (const key of bucket.uploads.keys(partKey(id), { from: partKey(id, marker + 1) })) {
    if (elements.length >= maxParts) {
      isTruncated = true;
      break;
    }
    last = Number(key.slice(partKey(id).length));
    const record = bucket.uploads.record(key);
    if (record !== undefined) elements.push(partElement(last, record));
  }
  const head = [
    xml('Bucket', bucket.name),
    xml('Key', request.key),
    xml('UploadId', id),
    xml('PartNumberMarker', marker),
    xml('NextPartNumberMarker', last),
    xml('MaxParts', maxParts),
    xml('IsTruncated', isTruncated),
  ];
  answerXml(res, xml('ListPartsResult', [...head, ...elements], S3_NAMESPACE));
}

function partElement(number: number, { modifiedMs, etag, size }: ObjectRecord): string {
  const modified = xml('LastModified', new Date(modifiedMs).toISOString());
  return xml('Part', [xml('PartNumber', number), modified, xml('ETag', `"${etag}"`), xml('Size', size)]);
}

/** The upload that the query names. Its id is checked before it becomes a path. Throws NoSuchUpload. */
function findUpload({ request, bucket }: Call): { id: string; upload: ObjectRecord } {
  const id = request.query.get('uploadId') ?? '';
  const upload = /^[0-9a-f]{48}$/.test(id) ? bucket.uploads.record(`${id}/upload`) : undefined;
  if (upload === undefined || upload.key !== request.keyBytes) throw new S3Error('NoSuchUpload');
  return { id, upload };
}

/** The upload goes first: a part that arrives meanwhile finds none to belong to. */
async function removeUpload({ bucket }: Call, id: string): Promise<void> {
  await bucket.uploads.remove(`${id}/upload`);
  for await (const key of bucket.uploads.keys(`${id}/`, { from: '' })) await bucket.uploads.remove(key);
}

function readParts({ bucket }: Call, id: string, source: string): Part[] {
  return parsePartList(source, (number) => {
    const key = partKey(id, number);
    const record = bucket.uploads.record(key);
    return record === undefined ? undefined : { key, record };
  });
}

function readPartNumber(text: string | undefined): number {
  const number = Number(text);
  if (Number.isInteger(number) && number >= 1 && number <= S3_LIMITS.maxParts) return number;
  throw new S3Error('InvalidArgument', `Part number must be an integer between 1 and ${S3_LIMITS.maxParts}, inclusive`);
}

const PART_DIGITS = 5;

function partKey(id: string, number?: number): string {
  return `${id}/parts/${number === undefined ? '' : String(number).padStart(PART_DIGITS, '0')}`;
}

async function* noBytes(): AsyncGenerator<Buffer> {}
