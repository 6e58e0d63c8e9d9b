import type { IncomingMessage } from 'node:http';
import { splitRawPath } from '../identity/canonical.ts';
import { S3Error } from './errors.ts';
import { toByteString } from './layout.ts';
import { S3_LIMITS } from './limits.ts';

/** A path-style request: `/bucket/key?query`. */
export interface S3Request {
  readonly req: IncomingMessage;
  readonly method: string;
  readonly path: string;
  /** Empty for `/`. */
  readonly bucket: string;
  /** Empty for a request on the bucket. */
  readonly key: string;
  /** The key as a byte string (layout.ts). */
  readonly keyBytes: string;
  readonly query: ReadonlyMap<string, string>;
}

/** Parses by hand: URL would resolve the `..` and `//` that a key may hold. Throws S3Error. */
export function parseRequest(req: IncomingMessage): S3Request {
  const { path, query } = splitUrl(req.url ?? '');
  const slash = path.indexOf('/', 1);
  const bucket = slash < 0 ? path.slice(1) : path.slice(1, slash);
  const key = slash < 0 ? '' : decodeKey(path.slice(slash + 1));
  const keyBytes = toByteString(key);
  checkKey(keyBytes);
  return { req, method: req.method ?? '', path, bucket, key, keyBytes, query };
}

/** Throws KeyTooLongError. */
export function checkKey(keyBytes: string): void {
  const { maxKeyBytes } = S3_LIMITS;
  if (keyBytes.length <= maxKeyBytes) return;
  throw new S3Error('KeyTooLongError', undefined, { details: { Size: keyBytes.length, MaxSizeAllowed: maxKeyBytes } });
}

/** A header that may be given once. */
export function headerOf({ req }: S3Request, name: string): string | undefined {
  const value = req.headers[name];
  return Array.isArray(value) ? value.join(',') : value;
}

function splitUrl(url: string): { path: string; query: ReadonlyMap<string, string> } {
  if (!url.startsWith('/')) throw new S3Error('InvalidURI');
  try {
    const { path, query } = splitRawPath(url);
    return { path, query: new Map(query) };
  } catch (cause) {
    throw new S3Error('InvalidURI', undefined, { cause });
  }
}

function decodeKey(raw: string): string {
  try {
    return decodeURIComponent(raw);
  } catch (cause) {
    throw new S3Error('InvalidURI', undefined, { cause });
  }
}
