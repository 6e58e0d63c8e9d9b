import { xml } from '../identity/xml.ts';
import { answerXml, type Call, S3_NAMESPACE } from './call.ts';
import { S3Error } from './errors.ts';
import { fromByteString, toByteString } from './layout.ts';
import { S3_LIMITS } from './limits.ts';
import type { ObjectRecord } from './object-file.ts';
import type { ObjectTree } from './object-tree.ts';
import { afterPrefix } from './walk.ts';

/** All texts are byte strings (layout.ts). */
interface PageRequest {
  readonly prefix: string;
  /** Empty for none. */
  readonly delimiter: string;
  /** The least key, or common prefix, that the page may begin with. */
  readonly from: string;
  readonly maxKeys: number;
}

interface Page {
  readonly records: ObjectRecord[];
  readonly commonPrefixes: string[];
  /** Where the next page begins; undefined if this is the last. */
  readonly next: string | undefined;
}

/** ListObjectsV2. The continuation token is where the next page begins. */
export async function listObjectsV2({ request: { query }, res, bucket }: Call): Promise<void> {
  const write = nameWriter(query.get('encoding-type'));
  const page = await readPage(bucket.objects, pageRequest(query));
  const echo = (name: string, value: string | undefined, encode = (text: string) => text) =>
    value === undefined ? [] : [xml(name, encode(value))];
  const contents = [
    xml('Name', bucket.name),
    xml('Prefix', write(query.get('prefix') ?? '')),
    xml('MaxKeys', maxKeysOf(query)),
    xml('KeyCount', page.records.length + page.commonPrefixes.length),
    xml('IsTruncated', page.next !== undefined),
    ...echo('Delimiter', query.get('delimiter'), write),
    ...echo('StartAfter', query.get('start-after'), write),
    ...echo('EncodingType', query.get('encoding-type')),
    ...echo('ContinuationToken', query.get('continuation-token')),
    ...echo('NextContinuationToken', page.next === undefined ? undefined : encodeToken(page.next)),
    ...page.records.map((record) => contentsElement(record, write)),
    ...page.commonPrefixes.map((prefix) => xml('CommonPrefixes', [xml('Prefix', write(fromByteString(prefix)))])),
  ];
  answerXml(res, xml('ListBucketResult', contents, S3_NAMESPACE));
}

async function readPage(objects: ObjectTree, { prefix, delimiter, from, maxKeys }: PageRequest): Promise<Page> {
  const records: ObjectRecord[] = [];
  const commonPrefixes: string[] = [];
  if (maxKeys === 0) return { records, commonPrefixes, next: undefined };
  const cursor = { from };
  for await (const key of objects.keys(prefix, cursor)) {
    if (records.length + commonPrefixes.length === maxKeys) return { records, commonPrefixes, next: cursor.from };
    const cut = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length);
    if (cut >= 0) {
      const common = key.slice(0, cut + delimiter.length);
      commonPrefixes.push(common);
      cursor.from = afterPrefix(common);
    } else {
      const record = objects.record(key);
      if (record !== undefined) records.push({ ...record, key });
      cursor.from = `${key}\0`;
    }
  }
  return { records, commonPrefixes, next: undefined };
}

function pageRequest(query: ReadonlyMap<string, string>): PageRequest {
  const token = query.get('continuation-token');
  const startAfter = query.get('start-after');
  return {
    prefix: toByteString(query.get('prefix') ?? ''),
    delimiter: toByteString(query.get('delimiter') ?? ''),
    from: token !== undefined ? decodeToken(token) : startAfter ? `${toByteString(startAfter)}\0` : '',
    maxKeys: maxKeysOf(query),
  };
}

function maxKeysOf(query: ReadonlyMap<string, string>): number {
  const text = query.get('max-keys') ?? String(S3_LIMITS.maxListKeys);
  if (!/^\d{1,9}$/.test(text)) throw new S3Error('InvalidArgument', 'max-keys is not a number', argument('max-keys'));
  return Math.min(Number(text), S3_LIMITS.maxListKeys);
}

function encodeToken(from: string): string {
  return Buffer.from(from, 'latin1').toString('base64url');
}

function decodeToken(token: string): string {
  const from = Buffer.from(token, 'base64url').toString('latin1');
  if (from !== '' && encodeToken(from) === token) return from;
  const message = 'The continuation token provided is incorrect';
  throw new S3Error('InvalidArgument', message, argument('continuation-token'));
}

/** How names are written: as they are, or percent-encoded for clients whose XML can't hold control characters. */
function nameWriter(encodingType: string | undefined): (text: string) => string {
  if (encodingType === undefined) return (text) => text;
  if (encodingType !== 'url') throw new S3Error('InvalidArgument', undefined, argument('encoding-type'));
  return (text) => encodeURIComponent(text).replaceAll('%2F', '/');
}

function argument(name: string) {
  return { details: { ArgumentName: name } };
}

function contentsElement(record: ObjectRecord, write: (text: string) => string): string {
  const { key, size, etag, modifiedMs, checksum } = record;
  return xml('Contents', [
    xml('Key', write(fromByteString(key))),
    xml('LastModified', new Date(modifiedMs).toISOString()),
    xml('ETag', `"${etag}"`),
    ...(checksum === undefined ? [] : [xml('ChecksumAlgorithm', checksum.name.toUpperCase())]),
    xml('Size', size),
    xml('StorageClass', 'STANDARD'),
  ]);
}
