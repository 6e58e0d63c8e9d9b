import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { S3_LIMITS } from './limits.ts';

/** An object's checksum as S3 gives it back. */
export interface Checksum {
  /** As in `x-amz-checksum-<name>`. */
  readonly name: string;
  readonly base64: string;
}

/** All that is known of an object beside its bytes. */
export interface ObjectRecord {
  /** Byte string. */
  readonly key: string;
  readonly size: number;
  /** Hex MD5, or `<hex>-<parts>`; without the quotes. */
  readonly etag: string;
  /** Milliseconds since 1970, whole seconds. */
  readonly modifiedMs: number;
  /** Content-Type, Cache-Control and their like, by lower-case name. */
  readonly contentHeaders: Readonly<Record<string, string>>;
  /** Without the x-amz-meta- prefix. */
  readonly userMetadata: Readonly<Record<string, string>>;
  readonly checksum?: Checksum;
}

/**
 * An object is one file, so that one rename publishes bytes and record together:
 *
 *     bytes | record (JSON) | length of the record (u32, big endian) | "S3OBJECT"
 */
const MAGIC = 'S3OBJECT';
const TAIL_BYTES = 4 + MAGIC.length;

/** What follows the bytes of an object in its file. */
export function encodeRecord(record: ObjectRecord): Buffer {
  const json = Buffer.from(JSON.stringify(record));
  const tail = Buffer.alloc(TAIL_BYTES);
  tail.writeUInt32BE(json.length, 0);
  tail.write(MAGIC, 4, 'latin1');
  return Buffer.concat([json, tail]);
}

/** An object's open file; the caller closes `fd`. */
export interface OpenObject {
  readonly fd: number;
  readonly record: ObjectRecord;
}

/**
 * Opens an object and reads its record; undefined if there is none. A file that is damaged counts as none and is told of
 * on stderr: so readers hear at once which object is missing, and writers may store it anew. Synchronous, so that a
 * check and a rename are one step.
 */
export function openObject(path: string): OpenObject | undefined {
  const fd = openIfThere(path);
  if (fd === undefined) return undefined;
  try {
    const record = readRecord(fd);
    if (record !== undefined) return { fd, record };
    process.stderr.write(`damaged object file, taken for absent: ${path}\n`);
    closeSync(fd);
    return undefined;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** The record alone; undefined if there is no such object. */
export function readObjectRecord(path: string): ObjectRecord | undefined {
  const object = openObject(path);
  if (object !== undefined) closeSync(object.fd);
  return object?.record;
}

function openIfThere(path: string): number | undefined {
  try {
    return openSync(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Undefined if it is not what was written there. */
function readRecord(fd: number): ObjectRecord | undefined {
  const fileBytes = fstatSync(fd).size;
  let end = readEnd(fd, fileBytes, S3_LIMITS.recordReadBytes);
  if (end.length < TAIL_BYTES || end.toString('latin1', end.length - MAGIC.length) !== MAGIC) return undefined;
  const jsonBytes = end.readUInt32BE(end.length - TAIL_BYTES);
  if (jsonBytes + TAIL_BYTES > end.length) end = readEnd(fd, fileBytes, jsonBytes + TAIL_BYTES);
  if (jsonBytes + TAIL_BYTES > end.length) return undefined;
  const record = parse(end.toString('utf8', end.length - TAIL_BYTES - jsonBytes, end.length - TAIL_BYTES));
  return record?.size === fileBytes - TAIL_BYTES - jsonBytes ? record : undefined;
}

function parse(json: string): ObjectRecord | undefined {
  try {
    const record = JSON.parse(json) as Partial<ObjectRecord> | null;
    const isRecord = typeof record?.etag === 'string' && Number.isSafeInteger(record.modifiedMs);
    return isRecord && record.contentHeaders && record.userMetadata ? (record as ObjectRecord) : undefined;
  } catch {
    return undefined;
  }
}

function readEnd(fd: number, fileBytes: number, wanted: number): Buffer {
  const buffer = Buffer.allocUnsafe(Math.min(fileBytes, wanted));
  const got = readSync(fd, buffer, 0, buffer.length, fileBytes - buffer.length);
  return buffer.subarray(0, got);
}
