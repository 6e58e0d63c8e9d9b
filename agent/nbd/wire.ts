/** Numbers of the NBD protocol (NetworkBlockDevice/nbd, doc/proto.md). All integers are big-endian. */
export const INIT_MAGIC = 0x4e42444d41474943n;
export const OPTION_MAGIC = 0x49484156454f5054n;
export const OPTION_REPLY_MAGIC = 0x0003e889045565a9n;

/** Server's flags at first: fixed newstyle, no trailing zeros. The client answers with the same bits. */
export const FIXED_NEWSTYLE = 1;
export const NO_ZEROES = 2;

export const OPT_EXPORT_NAME = 1;
export const OPT_ABORT = 2;
export const OPT_INFO = 6;
export const OPT_GO = 7;
export const OPT_STRUCTURED_REPLY = 8;
export const OPT_SET_META_CONTEXT = 10;

export const REP_ACK = 1;
export const REP_INFO = 3;
export const REP_META_CONTEXT = 4;
export const REP_ERROR_BIT = 0x8000_0000;
export const REP_UNSUPPORTED = REP_ERROR_BIT + 1;
export const REP_INVALID = REP_ERROR_BIT + 3;
export const REP_UNKNOWN_EXPORT = REP_ERROR_BIT + 6;
export const INFO_EXPORT = 0;
export const INFO_BLOCK_SIZE = 3;

/** What an export can do: it tells so, takes flushes, and zeros without their bytes. */
export const HAS_FLAGS = 1;
export const SEND_FLUSH = 4;
export const SEND_WRITE_ZEROES = 64;

export const REQUEST_MAGIC = 0x25609513;
export const SIMPLE_REPLY_MAGIC = 0x67446698;
export const CHUNK_MAGIC = 0x668e33ef;
export const CMD_READ = 0;
export const CMD_WRITE = 1;
export const CMD_DISC = 2;
export const CMD_FLUSH = 3;
export const CMD_WRITE_ZEROES = 6;
export const CMD_BLOCK_STATUS = 7;
/** Of a request for zeros: the room is to stay taken. */
export const CMD_FLAG_NO_HOLE = 2;

/** Errors of requests, which are Linux’s. */
export const EIO = 5;
export const EINVAL = 22;
export const ENOSPC = 28;

export const CHUNK_DONE = 1;
export const CHUNK_NONE = 0;
export const CHUNK_DATA = 1;
export const CHUNK_HOLE = 2;
export const CHUNK_BLOCK_STATUS = 5;
export const CHUNK_ERROR_BIT = 0x8000;

/** Flags in the contexts that we ask for. */
export const BASE_ALLOCATION = 'base:allocation';
export const ALLOCATION_DEPTH = 'qemu:allocation-depth';
export const ZERO_FLAG = 2;
export const DIRTY_FLAG = 1;

export function dirtyBitmap(name: string): string {
  return `qemu:dirty-bitmap:${name}`;
}

export function requestBytes(command: number, handle: number, offset: number, length: number): Buffer {
  const bytes = Buffer.alloc(28);
  bytes.writeUInt32BE(REQUEST_MAGIC, 0);
  bytes.writeUInt16BE(command, 6);
  bytes.writeBigUInt64BE(BigInt(handle), 8);
  bytes.writeBigUInt64BE(BigInt(offset), 16);
  bytes.writeUInt32BE(length, 24);
  return bytes;
}
