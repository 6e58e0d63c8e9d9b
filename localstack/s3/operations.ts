import { createBucket, headBucket } from './buckets.ts';
import type { Call } from './call.ts';
import { deleteObject, deleteObjects } from './delete-objects.ts';
import { S3Error } from './errors.ts';
import { getObject, headObject } from './get-object.ts';
import { listObjectsV2 } from './list-objects.ts';
import { abortUpload, completeUpload, createUpload, listParts, uploadPart } from './multipart.ts';
import { putObject } from './put-object.ts';
import { headerOf, type S3Request } from './request.ts';

/** One call of the S3 API: how it is recognized, what it needs, what it heeds. */
interface Operation {
  readonly on: 'bucket' | 'object';
  readonly method: string;
  /** Query parameters that make a request this operation. */
  readonly marks?: readonly string[];
  /** Others that it understands. */
  readonly query?: readonly string[];
  /** Of the conditional headers and Range, those it heeds. */
  readonly conditions?: readonly string[];
  /** The IAM action; none if the operation asks for each key on its own. */
  readonly action?: string;
  readonly run: (call: Call) => Promise<void>;
}

const READ = ['if-match', 'if-none-match', 'range'];
const WRITE = ['if-match', 'if-none-match'];
const LIST_QUERY = ['prefix', 'delimiter', 'continuation-token', 'start-after', 'max-keys', 'encoding-type'];
const PARTS_QUERY = ['max-parts', 'part-number-marker'];

/** Of several that fit a request, the one with the most marks is meant: those with more stand first. */
const OPERATIONS: readonly Operation[] = [
  { on: 'object', method: 'PUT', marks: ['uploadId', 'partNumber'], action: 's3:PutObject', run: uploadPart },
  { on: 'object', method: 'POST', marks: ['uploadId'], conditions: WRITE, action: 's3:PutObject', run: completeUpload },
  { on: 'object', method: 'DELETE', marks: ['uploadId'], action: 's3:AbortMultipartUpload', run: abortUpload },
  {
    on: 'object',
    method: 'GET',
    marks: ['uploadId'],
    query: PARTS_QUERY,
    action: 's3:ListMultipartUploadParts',
    run: listParts,
  },
  { on: 'object', method: 'POST', marks: ['uploads'], action: 's3:PutObject', run: createUpload },
  { on: 'object', method: 'GET', conditions: READ, action: 's3:GetObject', run: getObject },
  { on: 'object', method: 'HEAD', conditions: READ, action: 's3:GetObject', run: headObject },
  { on: 'object', method: 'PUT', conditions: WRITE, action: 's3:PutObject', run: putObject },
  { on: 'object', method: 'DELETE', action: 's3:DeleteObject', run: deleteObject },
  { on: 'bucket', method: 'GET', marks: ['list-type'], query: LIST_QUERY, action: 's3:ListBucket', run: listObjectsV2 },
  { on: 'bucket', method: 'POST', marks: ['delete'], run: deleteObjects },
  { on: 'bucket', method: 'HEAD', action: 's3:ListBucket', run: headBucket },
  { on: 'bucket', method: 'PUT', action: 's3:CreateBucket', run: createBucket },
];

const CONDITIONS = [...READ, 'if-modified-since', 'if-unmodified-since', 'if-range'];
/** The SDK's name of the operation, and what a presigned URL carries. */
const COMMON_QUERY =
  /^(x-id|X-Amz-(Algorithm|Content-Sha256|Credential|Date|Expires|Security-Token|Signature|SignedHeaders))$/;
const KNOWN_AMZ_HEADER =
  /^x-amz-(date|content-sha256|security-token|user-agent|decoded-content-length|trailer|sdk-checksum-algorithm|meta-.+|checksum-(mode|algorithm|crc32|crc32c|crc64nvme|sha1|sha256))$/;

/** The operation that a request asks for. Throws NotImplemented naming what of the request is not understood. */
export function findOperation(request: S3Request): Operation {
  const { method, bucket, key, query } = request;
  const on = key === '' ? 'bucket' : 'object';
  const found = OPERATIONS.find(
    (operation) =>
      operation.on === on && operation.method === method && (operation.marks ?? []).every((mark) => query.has(mark)),
  );
  if (found === undefined || bucket === '') {
    const what = bucket === '' ? 'service' : on;
    throw new S3Error('NotImplemented', `${method} on the ${what} with ?${[...query.keys()].join('&')}`);
  }
  refuseUnknown(request, found);
  return found;
}

function refuseUnknown(request: S3Request, { marks = [], query = [], conditions = [] }: Operation): void {
  const understood = new Set([...marks, ...query]);
  for (const name of request.query.keys()) {
    if (!understood.has(name) && !COMMON_QUERY.test(name)) throw notImplemented('query parameter', name);
  }
  for (const name of Object.keys(request.req.headers)) {
    if (name.startsWith('x-amz-') && !KNOWN_AMZ_HEADER.test(name)) throw notImplemented('header', name);
  }
  for (const name of CONDITIONS) {
    if (!conditions.includes(name) && headerOf(request, name) !== undefined) throw notImplemented('header', name);
  }
}

function notImplemented(kind: string, name: string): S3Error {
  return new S3Error('NotImplemented', `The ${kind} ${name} is not implemented for this operation`);
}
