import { S3Error } from './errors.ts';
import type { ObjectRecord } from './object-file.ts';
import { headerOf, type S3Request } from './request.ts';

/**
 * A check of `If-None-Match: *` and `If-Match` for writes: throws 412 PreconditionFailed, or 404 where If-Match finds no
 * object. Any other form is refused, as by S3.
 */
export function writeCondition(request: S3Request): (existing: ObjectRecord | undefined) => void {
  const ifNoneMatch = headerOf(request, 'if-none-match');
  const ifMatch = headerOf(request, 'if-match');
  if (ifNoneMatch !== undefined && ifNoneMatch !== '*') {
    throw new S3Error('NotImplemented', 'If-None-Match of a write takes * alone', {
      details: { Header: 'If-None-Match' },
    });
  }
  return (existing) => {
    if (ifNoneMatch !== undefined && existing !== undefined) throw preconditionFailed('If-None-Match');
    if (ifMatch === undefined) return;
    if (existing === undefined) throw new S3Error('NoSuchKey');
    if (!matches(ifMatch, existing)) throw preconditionFailed('If-Match');
  };
}

/** Throws 412 if If-Match fails, 304 if If-None-Match finds the object unchanged. */
export function checkReadCondition(request: S3Request, record: ObjectRecord): void {
  const ifMatch = headerOf(request, 'if-match');
  const ifNoneMatch = headerOf(request, 'if-none-match');
  if (ifMatch !== undefined && !matches(ifMatch, record)) throw preconditionFailed('If-Match');
  if (ifNoneMatch !== undefined && matches(ifNoneMatch, record)) {
    throw new S3Error('NotModified', undefined, { headers: { etag: `"${record.etag}"` } });
  }
}

function matches(header: string, { etag }: ObjectRecord): boolean {
  const tags = header.split(',').map((tag) => tag.trim().replace(/^"(.*)"$/, '$1'));
  return tags.some((tag) => tag === '*' || tag === etag);
}

function preconditionFailed(condition: string): S3Error {
  return new S3Error('PreconditionFailed', undefined, { details: { Condition: condition } });
}
