import { limits } from '../../../core/limits.ts';
import type { ByteStream } from '../../../core/stream.ts';
import { clientRefused } from '../failure.ts';
import type { Input } from '../input.ts';
import * as wire from '../wire.ts';
import type { Exports, ServedDisk } from './served.ts';

/**
 * Negotiates as fixed newstyle, with simple replies. Gives the disk that the client wants, by name; undefined if it leaves.
 * Errors: NBD_CLIENT_REFUSED, NBD_LOST.
 */
export async function offer(stream: ByteStream, input: Input, exports: Exports): Promise<ServedDisk | undefined> {
  await stream.write(hello());
  const flags = (await input.take(4)).readUInt32BE();
  if (flags !== (wire.FIXED_NEWSTYLE | wire.NO_ZEROES)) throw clientRefused('it negotiates in another way');
  for (let options = 0; options < limits.nbd_options_max; options++) {
    const { option, data } = await nextOption(input);
    if (option === wire.OPT_EXPORT_NAME) throw clientRefused('it asks for an export without asking what it is');
    const name = option === wire.OPT_GO || option === wire.OPT_INFO ? nameIn(data) : undefined;
    const disk = name === undefined ? undefined : exports.get(name);
    for (const { type, payload } of repliesTo(option, name, disk))
      await stream.write(replyBytes(option, type, payload));
    if (option === wire.OPT_ABORT) return undefined;
    if (option === wire.OPT_GO && disk !== undefined) return disk;
  }
  throw clientRefused('it negotiates without an end');
}

async function nextOption(input: Input): Promise<{ option: number; data: Buffer }> {
  const head = await input.take(16);
  const length = head.readUInt32BE(12);
  if (head.readBigUInt64BE(0) !== wire.OPTION_MAGIC) throw clientRefused('an option that does not begin as one');
  if (length > limits.nbd_option_bytes_max) throw clientRefused(`an option of ${length} bytes`);
  return { option: head.readUInt32BE(8), data: await input.take(length) };
}

interface Reply {
  readonly type: number;
  readonly payload: Buffer;
}

const NOTHING = Buffer.alloc(0);

function repliesTo(option: number, name: string | undefined, disk: ServedDisk | undefined): Reply[] {
  if (option === wire.OPT_ABORT) return [{ type: wire.REP_ACK, payload: NOTHING }];
  if (option !== wire.OPT_GO && option !== wire.OPT_INFO) return [{ type: wire.REP_UNSUPPORTED, payload: NOTHING }];
  if (name === undefined) return [{ type: wire.REP_INVALID, payload: NOTHING }];
  if (disk === undefined) return [{ type: wire.REP_UNKNOWN_EXPORT, payload: NOTHING }];
  return [
    { type: wire.REP_INFO, payload: exportInfo(disk) },
    { type: wire.REP_INFO, payload: blockSizes() },
    { type: wire.REP_ACK, payload: NOTHING },
  ];
}

/** The export's name, after which the client lists what it wants to be told. Undefined if that is not what it says. */
function nameIn(data: Buffer): string | undefined {
  if (data.length < 6) return undefined;
  const end = 4 + data.readUInt32BE(0);
  if (end + 2 > data.length || end + 2 + 2 * data.readUInt16BE(end) !== data.length) return undefined;
  return data.toString('utf8', 4, end);
}

function hello(): Buffer {
  const bytes = Buffer.alloc(18);
  bytes.writeBigUInt64BE(wire.INIT_MAGIC, 0);
  bytes.writeBigUInt64BE(wire.OPTION_MAGIC, 8);
  bytes.writeUInt16BE(wire.FIXED_NEWSTYLE | wire.NO_ZEROES, 16);
  return bytes;
}

function exportInfo({ virtualBytes }: ServedDisk): Buffer {
  const bytes = Buffer.alloc(12);
  bytes.writeUInt16BE(wire.INFO_EXPORT, 0);
  bytes.writeBigUInt64BE(BigInt(virtualBytes), 2);
  bytes.writeUInt16BE(wire.HAS_FLAGS | wire.SEND_FLUSH | wire.SEND_WRITE_ZEROES, 10);
  return bytes;
}

/** The smallest and the best size of a request, and the largest that has bytes with it. */
function blockSizes(): Buffer {
  const bytes = Buffer.alloc(14);
  bytes.writeUInt16BE(wire.INFO_BLOCK_SIZE, 0);
  bytes.writeUInt32BE(1, 2);
  bytes.writeUInt32BE(limits.chunk_bytes_min, 6);
  bytes.writeUInt32BE(limits.nbd_served_bytes_max, 10);
  return bytes;
}

function replyBytes(option: number, type: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(20);
  head.writeBigUInt64BE(wire.OPTION_REPLY_MAGIC, 0);
  head.writeUInt32BE(option, 8);
  head.writeUInt32BE(type, 12);
  head.writeUInt32BE(payload.length, 16);
  return Buffer.concat([head, payload]);
}
