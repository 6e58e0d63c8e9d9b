import { setImmediate } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { serveNbd } from '../../../agent/nbd/server/serve.ts';
import type { ServedDisk } from '../../../agent/nbd/server/served.ts';
import * as wire from '../../../agent/nbd/wire.ts';
import { limits } from '../../../core/limits.ts';
import { noise } from '../../disk/support.ts';
import { u16, u32 } from '../nbd-server.ts';
import { pipe } from '../pipe.ts';

const BYTES = 1024 * 1024;
const asTheyAre = { ...limits };
afterEach(() => void Object.assign(limits, asTheyAre));

/** A disk that notes who reaches beyond it. */
class StrictDisk implements ServedDisk {
  readonly virtualBytes = BYTES;
  readonly bytes = Buffer.alloc(BYTES);
  touched = 0;
  beyond = 0;

  async read(offset: number, into: Uint8Array): Promise<void> {
    this.#note(offset, into.length);
    into.set(this.bytes.subarray(offset, offset + into.length));
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    this.#note(offset, bytes.length);
    this.bytes.set(bytes, offset);
  }

  async writeZeros(offset: number, length: number): Promise<void> {
    this.#note(offset, length);
    this.bytes.fill(0, offset, offset + length);
  }

  #note(offset: number, length: number): void {
    this.touched++;
    if (!Number.isSafeInteger(offset) || offset < 0 || length <= 0 || offset + length > BYTES) this.beyond++;
  }
}

function serve() {
  const [ours, theirs] = pipe();
  const disk = new StrictDisk();
  const served = serveNbd(theirs, new Map([['copy', disk]]));
  served.catch(() => undefined);
  return { ours, disk, served, send: (...parts: Buffer[]) => ours.write(Buffer.concat(parts)) };
}

const FLAGS = u32(wire.FIXED_NEWSTYLE | wire.NO_ZEROES);

function option(kind: number, data: Buffer, length = data.length): Buffer {
  return Buffer.concat([Buffer.from('IHAVEOPT'), u32(kind), u32(length), data]);
}

function go(name = 'copy', kind: number = wire.OPT_GO): Buffer {
  return option(kind, Buffer.concat([u32(name.length), Buffer.from(name), u16(0)]));
}

function request(command: number, offset: number | bigint, length: number, flags = 0): Buffer {
  const bytes = wire.requestBytes(command, 7, 0, length);
  bytes.writeBigUInt64BE(BigInt(offset), 16);
  bytes.writeUInt16BE(flags, 4);
  return bytes;
}

describe('what writes to the agent is refused, and changes nothing,', () => {
  it.each<[string, Buffer[]]>([
    ['as it negotiates in the old way', [u32(0)]],
    ['as it knows more than we do', [u32(7)]],
    ['as its option does not begin as one', [FLAGS, Buffer.alloc(16, 1)]],
    ['as its option claims to be huge', [FLAGS, option(wire.OPT_GO, Buffer.alloc(0), 0xffff_ffff)]],
    ['as it takes an export without a word', [FLAGS, option(wire.OPT_EXPORT_NAME, Buffer.from('copy'))]],
    ['as it negotiates without an end', [FLAGS, ...Array(limits.nbd_options_max + 1).fill(option(8, Buffer.alloc(0)))]],
    ['as its request is none', [FLAGS, go(), Buffer.alloc(28, 3)]],
    ['as its write claims to be huge', [FLAGS, go(), request(wire.CMD_WRITE, 0, 0xffff_ffff)]],
    ['as it asks for more than a buffer', [FLAGS, go(), request(wire.CMD_READ, 0, limits.nbd_served_bytes_max + 1)]],
  ])('%s', async (_, sent) => {
    const { send, served, disk } = serve();
    await send(...sent);
    await expect(served).rejects.toMatchObject({ code: 'NBD_CLIENT_REFUSED' });
    expect(disk.touched).toBe(0);
  });

  it.each<[string, Buffer]>([
    ['past the end', request(wire.CMD_WRITE_ZEROES, BYTES - 1, 2)],
    ['past all numbers', request(wire.CMD_WRITE_ZEROES, 0xffff_ffff_ffff_ffffn, 1)],
    ['past the end, with bytes', Buffer.concat([request(wire.CMD_WRITE, BYTES, 4), Buffer.alloc(4)])],
    ['of nothing', request(wire.CMD_WRITE, 0, 0)],
    ['with flags that were not offered', request(wire.CMD_WRITE_ZEROES, 0, 1, 16)],
    ['that was not offered', request(4, 0, 4096)],
    ['that nobody knows', request(99, 0, 4096)],
  ])('in a request %s, after which the next one is heard', async (_, bad) => {
    const { ours, send, served, disk } = serve();
    await send(FLAGS, go(), bad, request(wire.CMD_FLUSH, 0, 0), request(wire.CMD_DISC, 0, 0));
    await served;
    expect(disk.touched).toBe(0);
    const said: Uint8Array[] = [];
    for (let bytes = await ours.read(); bytes !== undefined; bytes = await ours.read()) said.push(bytes);
    const replies = Buffer.concat(said).subarray(-32);
    expect([replies.readUInt32BE(4), replies.readUInt32BE(20)]).toEqual([wire.EINVAL, 0]);
  });

  it('however it is garbled', async () => {
    const whole = Buffer.concat([
      ...[FLAGS, option(8, Buffer.alloc(0)), go('copy', wire.OPT_INFO), go('other'), go()],
      ...[request(wire.CMD_WRITE, 4096, 512), noise(512, 1), request(wire.CMD_WRITE_ZEROES, 0, 8192)],
      ...[request(wire.CMD_READ, 0, 65_536), request(wire.CMD_FLUSH, 0, 0), request(wire.CMD_DISC, 0, 0)],
    ]);
    for (let seed = 0; seed < 1000; seed++) {
      const chance = noise(12, seed);
      const garbled = Buffer.from(whole);
      for (let change = 0; change < 1 + (chance[0]! & 3); change++) {
        garbled[chance.readUInt16LE(1 + 2 * change) % garbled.length] = chance[9]! + change;
      }
      const { ours, send, served, disk } = serve();
      await send(garbled.subarray(0, chance[10]! < 40 ? chance.readUInt16LE(10) % garbled.length : garbled.length));
      await setImmediate();
      ours.close();
      await served.catch((error: { code: string }) => {
        expect(['NBD_CLIENT_REFUSED', 'NBD_LOST'], `seed ${seed}: ${error}`).toContain(error.code);
      });
      expect(disk.beyond, `seed ${seed}`).toBe(0);
    }
  });
});
