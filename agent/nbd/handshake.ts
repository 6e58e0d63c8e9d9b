import { limits } from '../../core/limits.ts';
import type { ByteStream } from '../../core/stream.ts';
import { optionRefused, refused } from './failure.ts';
import type { Input } from './input.ts';
import * as wire from './wire.ts';

/** What a server and we have agreed on. */
export interface Agreed {
  readonly virtualBytes: number;
  /** The contexts' names by the numbers that replies go by. */
  readonly contexts: ReadonlyMap<number, string>;
}

/**
 * Negotiates as fixed newstyle with structured replies: an export by name and all of these contexts.
 * Errors: NBD_REFUSED, NBD_OPTION_REFUSED, NBD_LOST.
 */
export async function shakeHands(
  stream: ByteStream,
  input: Input,
  want: { exportName: string; contexts: readonly string[] },
): Promise<Agreed> {
  const hello = await input.take(18);
  if (hello.readBigUInt64BE(0) !== wire.INIT_MAGIC || hello.readBigUInt64BE(8) !== wire.OPTION_MAGIC)
    throw refused('it does not begin as an NBD server does');
  const flags = hello.readUInt16BE(16);
  if ((flags & wire.FIXED_NEWSTYLE) === 0) throw refused('it does not negotiate (fixed newstyle)');
  const ours = Buffer.alloc(4);
  ours.writeUInt32BE(flags & (wire.FIXED_NEWSTYLE | wire.NO_ZEROES));
  await stream.write(ours);
  await askOption(stream, input, {
    option: wire.OPT_STRUCTURED_REPLY,
    name: 'structured replies',
    data: Buffer.alloc(0),
  });
  const contexts = await agreeContexts(stream, input, want);
  return { virtualBytes: await go(stream, input, want.exportName), contexts };
}

async function agreeContexts(
  stream: ByteStream,
  input: Input,
  { exportName, contexts }: { exportName: string; contexts: readonly string[] },
): Promise<Map<number, string>> {
  const agreed = new Map<number, string>();
  const data = Buffer.concat([text(exportName), u32(contexts.length), ...contexts.map(text)]);
  const replies = await askOption(stream, input, { option: wire.OPT_SET_META_CONTEXT, name: 'the contexts', data });
  for (const { type, payload } of replies) {
    if (type !== wire.REP_META_CONTEXT || payload.length < 5)
      throw refused('it answers a question for contexts with something else');
    agreed.set(payload.readUInt32BE(0), payload.toString('utf8', 4));
  }
  const missing = contexts.filter((name) => ![...agreed.values()].includes(name));
  if (missing.length > 0) throw refused(`it knows nothing of ${missing.join(', ')}`);
  if (agreed.size !== contexts.length) throw refused('it tells of contexts that nobody asked for');
  return agreed;
}

async function go(stream: ByteStream, input: Input, exportName: string): Promise<number> {
  const data = Buffer.concat([text(exportName), Buffer.alloc(2)]);
  const replies = await askOption(stream, input, { option: wire.OPT_GO, name: `the export ${exportName}`, data });
  const info = replies.find(({ type, payload }) => {
    return type === wire.REP_INFO && payload.length >= 12 && payload.readUInt16BE(0) === wire.INFO_EXPORT;
  });
  const bytes = info?.payload.readBigUInt64BE(2);
  if (bytes === undefined || bytes > BigInt(limits.disk_bytes_max))
    throw refused('it tells no size of the disk, or one that cannot be');
  return Number(bytes);
}

interface Reply {
  readonly type: number;
  readonly payload: Buffer;
}

/** Sends an option; gives what came before its acknowledgement. */
async function askOption(
  stream: ByteStream,
  input: Input,
  { option, name, data }: { option: number; name: string; data: Buffer },
): Promise<Reply[]> {
  const magic = Buffer.alloc(8);
  magic.writeBigUInt64BE(wire.OPTION_MAGIC);
  await stream.write(Buffer.concat([magic, u32(option), u32(data.length), data]));
  const replies: Reply[] = [];
  for (;;) {
    const head = await input.take(20);
    if (head.readBigUInt64BE(0) !== wire.OPTION_REPLY_MAGIC || head.readUInt32BE(8) !== option)
      throw refused(`it answers ${name} with something else`);
    const type = head.readUInt32BE(12);
    const length = head.readUInt32BE(16);
    if (length > limits.nbd_option_bytes_max) throw refused(`it answers ${name} with ${length} bytes`);
    const payload = await input.take(length);
    if (type >= wire.REP_ERROR_BIT) throw optionRefused(name, type - wire.REP_ERROR_BIT, payload.toString());
    if (type === wire.REP_ACK) return replies;
    replies.push({ type, payload });
    if (replies.length > limits.nbd_option_replies_max) throw refused(`it answers ${name} without an end`);
  }
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([u32(bytes.length), bytes]);
}
