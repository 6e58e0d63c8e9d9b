import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { S3Error } from './errors.ts';
import { S3_LIMITS } from './limits.ts';
import type { ObjectRecord } from './object-file.ts';
import type { ObjectTree } from './object-tree.ts';
import { childText, parseXml, type XmlElement } from './parse-xml.ts';

/** A part that has arrived. */
export interface Part {
  /** In the uploads' tree. */
  readonly key: string;
  readonly record: ObjectRecord;
}

/** The parts that a CompleteMultipartUpload lists, each compared with what arrived. Throws S3Error. */
export function parsePartList(source: string, find: (number: number) => Part | undefined): Part[] {
  const root = parseXml(source);
  const elements = root.children.filter(({ name }) => name === 'Part');
  if (root.name !== 'CompleteMultipartUpload' || elements.length === 0) throw new S3Error('MalformedXML');
  const numbers = elements.map((element) => Number(childText(element, 'PartNumber')));
  const isAscending = numbers.every((number, at) => at === 0 || number > (numbers[at - 1] ?? 0));
  if (!isAscending) throw new S3Error('InvalidPartOrder');
  const parts = elements.map((element, at) => matchPart(element, find(numbers[at] ?? 0)));
  const short = parts.slice(0, -1).find(({ record }) => record.size < S3_LIMITS.minPartBytes);
  if (short !== undefined)
    throw new S3Error('EntityTooSmall', undefined, { details: { ProposedSize: short.record.size } });
  return parts;
}

function matchPart(element: XmlElement, part: Part | undefined): Part {
  const etag = childText(element, 'ETag')?.replace(/^"(.*)"$/, '$1');
  if (part === undefined || part.record.etag !== etag) throw new S3Error('InvalidPart');
  const claimed = element.children.find(({ name }) => name.startsWith('Checksum'));
  const { checksum } = part.record;
  if (
    claimed !== undefined &&
    (claimed.name !== `Checksum${checksum?.name.toUpperCase()}` || claimed.text !== checksum?.base64)
  ) {
    throw new S3Error('InvalidPart');
  }
  return part;
}

/** S3's ETag of a multipart object: the MD5 of the parts' MD5s and their number. */
export function joinedEtag(parts: readonly Part[]): string {
  const hash = createHash('md5');
  for (const { record } of parts) hash.update(record.etag, 'hex');
  return `${hash.digest('hex')}-${parts.length}`;
}

/** The bytes of all parts in order. Throws InvalidPart if one was replaced or removed meanwhile. */
export async function* partBytes(uploads: ObjectTree, parts: readonly Part[]): AsyncGenerator<Buffer> {
  for (const { key, record } of parts) {
    const part = uploads.open(key);
    if (part === undefined) throw new S3Error('InvalidPart');
    const stream = createReadStream('', {
      fd: part.fd,
      start: 0,
      end: record.size - 1,
      highWaterMark: S3_LIMITS.readBufferBytes,
    });
    if (part.record.etag !== record.etag) {
      stream.destroy();
      throw new S3Error('InvalidPart');
    }
    yield* stream as AsyncIterable<Buffer>;
  }
}
