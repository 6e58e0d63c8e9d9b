import { limits } from '../../../core/limits.ts';
import type { ByteStream } from '../../../core/stream.ts';
import { isFull } from '../../images/room.ts';
import { clientRefused } from '../failure.ts';
import { Input } from '../input.ts';
import * as wire from '../wire.ts';
import { offer } from './offer.ts';
import type { Exports, ServedDisk } from './served.ts';

/**
 * Serves one client, and one disk that it asks for, by the NBD protocol (NetworkBlockDevice/nbd, doc/proto.md), until the client leaves. The client
 * may have many requests under way; they are done one after the other, in its order, so that one buffer is all the memory
 * that they take. A request that can't be is answered with an error; what is no request ends the connection, and changes nothing.
 * Errors: NBD_CLIENT_REFUSED, NBD_LOST.
 */
export async function serveNbd(stream: ByteStream, exports: Exports): Promise<void> {
  const input = new Input(stream);
  try {
    const disk = await offer(stream, input, exports);
    if (disk === undefined) return;
    const buffer = Buffer.alloc(limits.nbd_served_bytes_max);
    for (;;) {
      const request = await nextRequest(input);
      if (request.command === wire.CMD_DISC) return;
      const { errno, bytes } = await answerTo(request, input, disk, buffer);
      await stream.write(head(errno, request.handle));
      if (bytes !== undefined) await stream.write(bytes);
    }
  } finally {
    stream.close();
  }
}

interface Request {
  readonly flags: number;
  readonly command: number;
  readonly handle: bigint;
  readonly offset: bigint;
  readonly length: number;
}

interface Answer {
  /** 0 if all is well. */
  readonly errno: number;
  readonly bytes?: Uint8Array;
}

async function nextRequest(input: Input): Promise<Request> {
  const bytes = await input.take(28);
  if (bytes.readUInt32BE(0) !== wire.REQUEST_MAGIC) throw clientRefused('a request that does not begin as one');
  return {
    flags: bytes.readUInt16BE(4),
    command: bytes.readUInt16BE(6),
    handle: bytes.readBigUInt64BE(8),
    offset: bytes.readBigUInt64BE(16),
    length: bytes.readUInt32BE(24),
  };
}

async function answerTo(request: Request, input: Input, disk: ServedDisk, buffer: Buffer): Promise<Answer> {
  const { command, length } = request;
  const hasBytes = command === wire.CMD_READ || command === wire.CMD_WRITE;
  if (hasBytes && length > buffer.length) throw clientRefused(`a request of ${length} bytes`);
  const bytes = buffer.subarray(0, hasBytes ? length : 0);
  // Whatever is wrong with a write, its bytes come before the next request.
  if (command === wire.CMD_WRITE) await input.fill(bytes);
  if (!isPossible(request, disk)) return { errno: wire.EINVAL };
  return perform(request, disk, bytes).catch((error: unknown) => ({ errno: errnoOf(error) }));
}

function isPossible({ flags, command, offset, length }: Request, { virtualBytes }: ServedDisk): boolean {
  if (flags !== 0 && (command !== wire.CMD_WRITE_ZEROES || flags !== wire.CMD_FLAG_NO_HOLE)) return false;
  if (command === wire.CMD_FLUSH) return true;
  const isKnown = [wire.CMD_READ, wire.CMD_WRITE, wire.CMD_WRITE_ZEROES].includes(command);
  return isKnown && length > 0 && offset + BigInt(length) <= BigInt(virtualBytes);
}

async function perform({ command, offset, length }: Request, disk: ServedDisk, bytes: Uint8Array): Promise<Answer> {
  const at = Number(offset);
  if (command === wire.CMD_READ) {
    await disk.read(at, bytes);
    return { errno: 0, bytes };
  }
  if (command === wire.CMD_WRITE) await disk.write(at, bytes);
  if (command === wire.CMD_WRITE_ZEROES) await disk.writeZeros(at, length);
  // All that came before a flush is done.
  return { errno: 0 };
}

function errnoOf(error: unknown): number {
  return isFull(error) ? wire.ENOSPC : wire.EIO;
}

function head(errno: number, handle: bigint): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.writeUInt32BE(wire.SIMPLE_REPLY_MAGIC, 0);
  bytes.writeUInt32BE(errno, 4);
  bytes.writeBigUInt64BE(handle, 8);
  return bytes;
}
