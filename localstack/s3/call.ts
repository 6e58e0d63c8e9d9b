import type { ServerResponse } from 'node:http';
import type { CreatedObject } from '../events/sources.ts';
import type { AccessKey } from '../identity/keys.ts';
import { isAllowed } from '../identity/policy.ts';
import { xmlDocument } from '../identity/xml.ts';
import { S3Error } from './errors.ts';
import type { ObjectRecord } from './object-file.ts';
import { headerOf, type S3Request } from './request.ts';
import type { Bucket, Store } from './store.ts';

/** A request whose signature is good, on a bucket that exists. */
export interface Call {
  readonly request: S3Request;
  readonly res: ServerResponse;
  readonly caller: AccessKey;
  readonly bucket: Bucket;
  readonly store: Store;
  readonly clock: { nowMs(): number };
  readonly region: string;
  readonly onCreated: (object: CreatedObject) => void;
}

export const S3_NAMESPACE = 'http://s3.amazonaws.com/doc/2006-03-01/';

/** True if the caller's session policy permits `action` on the key; on the bucket for an empty key. */
export function may({ request, caller, bucket }: Call, action: string, key = request.key): boolean {
  const ifNoneMatch = headerOf(request, 'if-none-match');
  const prefix = request.query.get('prefix');
  const isTls = 'encrypted' in request.req.socket;
  return isAllowed(caller.policy, {
    action,
    resource: key === '' ? `arn:aws:s3:::${bucket.name}` : `arn:aws:s3:::${bucket.name}/${key}`,
    context: {
      'aws:securetransport': String(isTls),
      ...(ifNoneMatch === undefined ? {} : { 's3:if-none-match': ifNoneMatch }),
      ...(prefix === undefined ? {} : { 's3:prefix': prefix }),
    },
  });
}

/** What S3 says of a key that is not there: who may not list the bucket does not learn that. */
export function noSuchKey(call: Call): S3Error {
  if (!may(call, 's3:ListBucket', '')) return new S3Error('AccessDenied');
  return new S3Error('NoSuchKey', undefined, { details: { Key: call.request.key } });
}

export function answerXml(res: ServerResponse, root: string): void {
  const body = Buffer.from(xmlDocument(root));
  res.writeHead(200, { 'content-type': 'application/xml', 'content-length': body.length }).end(body);
}

export function answerEmpty(
  res: ServerResponse,
  status: 200 | 204,
  headers: Readonly<Record<string, string>> = {},
): void {
  res.writeHead(status, status === 200 ? { ...headers, 'content-length': 0 } : headers).end();
}

/** Tells of an object that is there now. */
export function tellCreated({ bucket, request, onCreated }: Call, { size, etag }: ObjectRecord): void {
  onCreated({ bucket: bucket.name, key: request.key, size, etag });
}
