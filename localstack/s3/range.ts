import { S3Error } from './errors.ts';

/** Bytes of an object. */
export interface ByteRange {
  readonly start: number;
  readonly length: number;
}

/**
 * What `Range: bytes=a-b`, `a-` or `-n` selects; undefined for the whole object: no header, or one that RFC 9110 tells to
 * ignore. Throws 416 InvalidRange for none of the bytes there are, and NotImplemented for several ranges.
 */
export function parseRange(header: string | undefined, size: number): ByteRange | undefined {
  if (header?.startsWith('bytes=') && header.includes(',')) {
    throw new S3Error('NotImplemented', 'one range at a time', { details: { Header: 'Range' } });
  }
  const [, first = '', last = ''] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? '') ?? [];
  if (first === '' && last === '') return undefined;
  if (first !== '' && last !== '' && Number(last) < Number(first)) return undefined;
  const start = first === '' ? Math.max(0, size - Number(last)) : Number(first);
  const end = first === '' || last === '' ? size : Math.min(size, Number(last) + 1);
  if (start >= end) throw unsatisfiable(header ?? '', size);
  return { start, length: end - start };
}

function unsatisfiable(header: string, size: number): S3Error {
  return new S3Error('InvalidRange', undefined, {
    details: { RangeRequested: header, ActualObjectSize: size },
    headers: { 'content-range': `bytes */${size}` },
  });
}
