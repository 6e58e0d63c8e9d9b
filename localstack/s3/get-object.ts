import { closeSync, createReadStream, readSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { type Call, noSuchKey } from './call.ts';
import { checkReadCondition } from './conditions.ts';
import { checksumHeaders, objectHeaders } from './headers.ts';
import { S3_LIMITS } from './limits.ts';
import type { ObjectRecord } from './object-file.ts';
import { type ByteRange, parseRange } from './range.ts';
import { headerOf, type S3Request } from './request.ts';

/** GetObject, of the whole object or a range. An overwrite or delete meanwhile does not touch it: the file stays open. */
export async function getObject(call: Call): Promise<void> {
  const { request, res, bucket } = call;
  const object = bucket.objects.open(request.keyBytes);
  if (object === undefined) throw noSuchKey(call);
  let range: ByteRange;
  try {
    range = startAnswer(request, res, object.record);
  } catch (error) {
    closeSync(object.fd);
    throw error;
  }
  await sendBytes(object.fd, range, res);
}

/** HeadObject. */
export async function headObject(call: Call): Promise<void> {
  const { request, res, bucket } = call;
  const record = bucket.objects.record(request.keyBytes);
  if (record === undefined) throw noSuchKey(call);
  startAnswer(request, res, record);
  res.end();
}

/** Writes status and headers; what of the object is to follow. A part of an object goes without the whole's checksum. */
function startAnswer(request: S3Request, res: ServerResponse, record: ObjectRecord): ByteRange {
  checkReadCondition(request, record);
  const range = parseRange(headerOf(request, 'range'), record.size);
  const wantsChecksum = headerOf(request, 'x-amz-checksum-mode')?.toUpperCase() === 'ENABLED';
  if (range === undefined) {
    const checksum = wantsChecksum ? checksumHeaders(record.checksum) : {};
    res.writeHead(200, { ...objectHeaders(record), ...checksum, 'content-length': record.size });
    return { start: 0, length: record.size };
  }
  const contentRange = `bytes ${range.start}-${range.start + range.length - 1}/${record.size}`;
  res.writeHead(206, { ...objectHeaders(record), 'content-range': contentRange, 'content-length': range.length });
  return range;
}

/** Sends the bytes and closes the file. */
async function sendBytes(fd: number, { start, length }: ByteRange, res: ServerResponse): Promise<void> {
  if (length <= S3_LIMITS.smallObjectBytes) {
    res.end(readSmall(fd, start, length));
    return;
  }
  const highWaterMark = S3_LIMITS.readBufferBytes;
  await pipeline(createReadStream('', { fd, start, end: start + length - 1, highWaterMark }), res);
}

function readSmall(fd: number, start: number, length: number): Buffer {
  try {
    const bytes = Buffer.allocUnsafe(length);
    const got = readSync(fd, bytes, 0, length, start);
    if (got !== length) throw new Error(`an object file ended after ${got} of ${length} bytes`);
    return bytes;
  } finally {
    closeSync(fd);
  }
}
