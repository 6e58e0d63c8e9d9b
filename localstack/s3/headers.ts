import { S3Error } from './errors.ts';
import { S3_LIMITS } from './limits.ts';
import type { Checksum, ObjectRecord } from './object-file.ts';
import type { S3Request } from './request.ts';

const CONTENT_HEADERS = [
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-type',
  'expires',
] as const;
const META = 'x-amz-meta-';

export type Description = Pick<ObjectRecord, 'contentHeaders' | 'userMetadata'>;

/** What an upload's headers say about the object. Throws MetadataTooLarge. */
export function describeObject({ req: { headers } }: S3Request): Description {
  const contentHeaders: Record<string, string> = { 'content-type': 'binary/octet-stream' };
  for (const name of CONTENT_HEADERS) {
    const value = name === 'content-encoding' ? withoutAwsChunked(headers[name]) : headers[name];
    if (value) contentHeaders[name] = value;
  }
  const userMetadata: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (name.startsWith(META)) userMetadata[name.slice(META.length)] = String(value);
  }
  const bytes = Object.entries(userMetadata).flat().join('').length;
  if (bytes > S3_LIMITS.maxUserMetadataBytes) throw new S3Error('MetadataTooLarge');
  return { contentHeaders, userMetadata };
}

/** The transfer's own encoding is no property of the object. */
function withoutAwsChunked(encoding: string | undefined): string | undefined {
  const rest = encoding?.split(',').filter((token) => token.trim().toLowerCase() !== 'aws-chunked');
  return rest?.join(',').trim();
}

/** What GET and HEAD say about an object, its length excepted. */
export function objectHeaders(record: ObjectRecord): Record<string, string> {
  const metadata = Object.entries(record.userMetadata).map(([name, value]) => [META + name, value]);
  return {
    ...record.contentHeaders,
    ...Object.fromEntries(metadata),
    etag: `"${record.etag}"`,
    'last-modified': new Date(record.modifiedMs).toUTCString(),
    'accept-ranges': 'bytes',
  };
}

/** The checksum of a whole object. */
export function checksumHeaders(checksum: Checksum | undefined): Record<string, string> {
  if (checksum === undefined) return {};
  return { [`x-amz-checksum-${checksum.name}`]: checksum.base64, 'x-amz-checksum-type': 'FULL_OBJECT' };
}
