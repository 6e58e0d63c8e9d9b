import { setImmediate } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { createManualClock } from '../../adapters/memory/manual-clock.ts';
import { systemClock } from '../../adapters/system/clock.ts';
import { unixSocket } from '../../adapters/system/unix-socket.ts';
import { type NbdClient, openNbd } from '../../agent/nbd/client.ts';
import { statusExtents } from '../../agent/nbd/extents.ts';
import { ALLOCATION_DEPTH, BASE_ALLOCATION, dirtyBitmap } from '../../agent/nbd/wire.ts';
import { limits } from '../../core/limits.ts';
import { eachFolder } from '../agent/support.ts';
import { qemuIo, whileRunning } from '../disk/qemu.ts';
import { expectSame } from '../disk/support.ts';
import { ScriptedServer } from './nbd-server.ts';
import { describeWithGuest, makeChain, startGuest } from './qemu.ts';

const MiB = 1024 * 1024;
const never = new AbortController().signal;
const asTheyAre = { ...limits };
afterEach(() => void Object.assign(limits, asTheyAre));
const folder = eachFolder();

async function open(server: ScriptedServer, clock = createManualClock()): Promise<NbdClient> {
  return openNbd(async () => server.stream, { exportName: 'e', contexts: [BASE_ALLOCATION], clock, signal: never });
}

/** A server that answers the first request so, with a client that has asked to read 4 KiB. */
async function reading(answer: (server: ScriptedServer, handle: bigint) => void) {
  const server = new ScriptedServer();
  const agreed = server.agree();
  const client = await open(server);
  await agreed;
  const into = Buffer.alloc(4096, 0xee);
  const read = client.read(8192, into, never);
  read.catch(() => undefined);
  answer(server, (await server.request()).handle);
  return { client, read, into };
}

describe('an NBD client', () => {
  it('reads what comes in parts, holes among them, in any order', async () => {
    const { read, into } = await reading((server, handle) => {
      server.chunk(handle, { type: 1, done: false }, server.at(8192 + 1024), Buffer.alloc(3072, 1));
      server.chunk(handle, { type: 2, done: false }, server.at(8192), server.u32(1024));
      server.chunk(handle, { type: 0, done: true });
    });
    await read;
    expectSame(into, Buffer.concat([Buffer.alloc(1024), Buffer.alloc(3072, 1)]));
  });

  it.each<[string, (server: ScriptedServer, handle: bigint) => void]>([
    ['another magic', (server) => server.raw(Buffer.alloc(20, 7))],
    ['a handle of nobody', (server, handle) => server.chunk(handle + 1n, { type: 0, done: true })],
    [
      'bytes past the request',
      (s, handle) => s.chunk(handle, { type: 1, done: true }, s.at(8192 + 1), Buffer.alloc(4096)),
    ],
    ['bytes before it', (s, handle) => s.chunk(handle, { type: 1, done: true }, s.at(8191), Buffer.alloc(4096))],
    ['a hole past it', (s, handle) => s.chunk(handle, { type: 2, done: true }, s.at(8192), s.u32(4097))],
    ['too little', (s, handle) => s.chunk(handle, { type: 1, done: true }, s.at(8192), Buffer.alloc(4095))],
    [
      'the same bytes twice',
      (s, handle) => {
        s.chunk(handle, { type: 1, done: false }, s.at(8192), Buffer.alloc(2048));
        s.chunk(handle, { type: 1, done: true }, s.at(8192), Buffer.alloc(2048));
      },
    ],
    [
      'a chunk of another kind',
      (s, handle) => s.chunk(handle, { type: 5, done: true }, s.u32(1), s.u32(4096), s.u32(0)),
    ],
    ['a chunk that claims to be huge', (s, handle) => s.head(handle, { type: 1, done: true }, 0xffff_ffff)],
    ['an error that claims to be huge', (s, handle) => s.head(handle, { type: 0x8001, done: true }, 0xffff_ffff)],
    ['a simple reply', (s, handle) => s.simple(handle, 0)],
    [
      'more than nbd_chunks_max parts',
      (s, handle) => {
        for (let chunk = 0; chunk <= limits.nbd_chunks_max; chunk++) s.chunk(handle, { type: 0, done: false });
      },
    ],
  ])('refuses a read answered by %s, and asks nothing more', async (_, answer) => {
    const { client, read } = await reading(answer);
    await expect(read).rejects.toMatchObject({ code: 'NBD_REFUSED' });
    await expect(client.read(0, Buffer.alloc(1), never)).rejects.toMatchObject({ code: 'NBD_REFUSED' });
  });

  it('hears of an error of one request, and goes on', async () => {
    const server = new ScriptedServer();
    const agreed = server.agree();
    const client = await open(server);
    await agreed;
    const [bad, good] = [client.read(0, Buffer.alloc(512), never), client.read(512, Buffer.alloc(512), never)];
    const [first, second] = [await server.request(), await server.request()];
    server.chunk(second.handle, { type: 1, done: true }, server.at(512), Buffer.alloc(512));
    server.chunk(first.handle, { type: 0x8001, done: true }, server.u32(5), Buffer.from([0, 2]), Buffer.from('io'));
    await expect(bad).rejects.toMatchObject({ code: 'NBD_ERROR', data: { errno: 5, said: 'io' } });
    await good;
    const refused = client.status(0, 512, never);
    server.simple((await server.request()).handle, 22);
    await expect(refused).rejects.toMatchObject({ code: 'NBD_ERROR', data: { errno: 22 } });
  });

  it('asks for nbd_read_bytes_max at a time, nbd_requests_in_flight times at the most', async () => {
    Object.assign(limits, { nbd_read_bytes_max: 1024, nbd_requests_in_flight: 2 });
    const server = new ScriptedServer();
    const agreed = server.agree();
    const client = await open(server);
    await agreed;
    const read = client.read(0, Buffer.alloc(3000), never);
    const asked = [await server.request(), await server.request()];
    let thirdCame = false;
    const third = server.request().then((request) => {
      thirdCame = true;
      return request;
    });
    for (let turns = 0; turns < 10; turns++) await setImmediate();
    expect(thirdCame).toBe(false);
    const answer = ({ handle, offset, length }: (typeof asked)[number]) =>
      server.chunk(handle, { type: 1, done: true }, server.at(offset), Buffer.alloc(length));
    for (const each of asked) answer(each);
    answer(await third);
    await read;
    expect([...asked, await third].map(({ offset, length }) => [offset, length])).toEqual([
      [0, 1024],
      [1024, 1024],
      [2048, 952],
    ]);
  });

  it.each<[string, (server: ScriptedServer, handle: bigint) => void]>([
    ['of no blocks', (s, handle) => s.chunk(handle, { type: 5, done: true }, s.u32(1), s.u32(0), s.u32(0))],
    [
      'of a context nobody asked for',
      (s, handle) => s.chunk(handle, { type: 5, done: true }, s.u32(9), s.u32(9), s.u32(0)),
    ],
    ['without the context', (s, handle) => s.chunk(handle, { type: 0, done: true })],
    ['of odd length', (s, handle) => s.chunk(handle, { type: 5, done: true }, s.u32(1), s.u32(9))],
    [
      'beyond nbd_status_bytes_max',
      (s, handle) => s.head(handle, { type: 5, done: true }, limits.nbd_status_bytes_max + 8),
    ],
    ['by data', (s, handle) => s.chunk(handle, { type: 1, done: true }, s.at(0), Buffer.alloc(8))],
  ])('refuses a block status %s', async (_, answer) => {
    const server = new ScriptedServer();
    const agreed = server.agree();
    const client = await open(server);
    await agreed;
    const status = client.status(0, 4096, never);
    status.catch(() => undefined);
    answer(server, (await server.request()).handle);
    await expect(status).rejects.toMatchObject({ code: 'NBD_REFUSED' });
  });

  it.each<[string, Partial<ScriptedServer['says']>, string]>([
    ['none', { hello: Buffer.from('HTTP/1.1 400 Bad Request\r\n') }, 'NBD_REFUSED'],
    ['an old one', { flags: 0 }, 'NBD_REFUSED'],
    ['one without contexts', { contexts: [] }, 'NBD_REFUSED'],
    ['one with a context of its own', { contexts: [BASE_ALLOCATION, 'x-mine:all'] }, 'NBD_REFUSED'],
    ['one that tells no size', { size: undefined }, 'NBD_REFUSED'],
    ['one of an impossible size', { size: 1n << 63n }, 'NBD_REFUSED'],
    ['one that tells more than nbd_option_replies_max', { infos: limits.nbd_option_replies_max + 1 }, 'NBD_REFUSED'],
    ['one that tells more than nbd_option_bytes_max', { infoBytes: limits.nbd_option_bytes_max + 1 }, 'NBD_REFUSED'],
    ['one that has no such export', { refusal: 6 }, 'NBD_OPTION_REFUSED'],
  ])('refuses a server that is %s', async (_, says, code) => {
    const server = new ScriptedServer(says);
    server.agree().catch(() => undefined);
    await expect(open(server)).rejects.toMatchObject({ code });
  });

  it('gives a server up that says nothing, at first or later', async () => {
    const clock = createManualClock();
    const mute = expect(open(new ScriptedServer(), clock)).rejects.toMatchObject({ code: 'NBD_TIMEOUT' });
    await clock.advance(limits.nbd_connect_ms);
    await mute;
    const server = new ScriptedServer();
    const agreed = server.agree();
    const client = await open(server, clock);
    await agreed;
    const read = client.read(0, Buffer.alloc(512), never);
    const silent = expect(read).rejects.toMatchObject({ code: 'NBD_TIMEOUT' });
    for (let times = 0; times < 3; times++) await clock.advance(limits.nbd_silence_ms);
    await silent;
  });

  it('tells who waits when the server goes, and lets go at once when its caller gives up', async () => {
    const server = new ScriptedServer();
    const agreed = server.agree();
    const client = await open(server);
    await agreed;
    const gaveUp = new AbortController();
    const given = client.read(0, Buffer.alloc(512), gaveUp.signal);
    gaveUp.abort(new Error('enough'));
    await expect(given).rejects.toThrow('enough');
    const read = client.read(0, Buffer.alloc(512), never);
    await server.request();
    server.close();
    await expect(read).rejects.toMatchObject({ code: 'NBD_LOST' });
  });
});

describe('extents', () => {
  it('go by the shortest context, are asked for again from there, and for nbd_status_range_bytes_max at a time', async () => {
    Object.assign(limits, { nbd_status_range_bytes_max: 80 });
    const asked: [number, number][] = [];
    const script = [
      {
        a: [[10, 1]],
        b: [
          [4, 7],
          [100, 8],
        ],
      },
      {
        a: [[90, 2]],
        b: [
          [20, 8],
          [10, 9],
        ],
      },
      { a: [[80, 3]], b: [[80, 9]] },
    ] as const;
    const client = {
      virtualBytes: 100,
      async status(offset: number, length: number) {
        const { a, b } = script[asked.push([offset, length]) - 1]!;
        const runs = (list: readonly (readonly [number, number])[]) =>
          list.map(([length, flags]) => ({ length, flags }));
        return new Map([
          ['a', runs(a)],
          ['b', runs(b)],
        ]);
      },
    };
    const found = [];
    for await (const { offset, length, flags } of statusExtents(client, ['a', 'b'], never))
      found.push([offset, length, ...flags]);
    expect(asked).toEqual([
      [0, 80],
      [10, 80],
      [40, 60],
    ]);
    expect(found).toEqual([
      [0, 4, 1, 7],
      [4, 6, 1, 8],
      [10, 20, 2, 8],
      [30, 10, 2, 9],
      [40, 60, 3, 9],
    ]);
  });
});

describeWithGuest('real servers of blocks', () => {
  it('qemu-nbd: depth, zeros and content', async () => {
    const top = await makeChain(folder.at('.'));
    await qemuIo(top, 'write -P 0x44 3M 3M');
    const socket = folder.at('nbd.sock');
    const args = ['-r', '-A', '-f', 'qcow2', '-x', 'e', '-k', socket, '-t', top];
    await whileRunning('qemu-nbd', args, undefined, async () => {
      const client = await connectSoon(socket, [BASE_ALLOCATION, ALLOCATION_DEPTH]);
      const depths = new Map<number, number>();
      let zeros = 0;
      for await (const { length, flags } of statusExtents(client, [BASE_ALLOCATION, ALLOCATION_DEPTH], never)) {
        depths.set(flags[1]!, (depths.get(flags[1]!) ?? 0) + length);
        if (flags[1] === 1 && (flags[0]! & 2) !== 0) zeros += length;
      }
      expect(depths.get(1)).toBe(6 * MiB + 128 * 1024);
      expect(depths.get(2)).toBe(2 * MiB);
      expect(zeros).toBe(128 * 1024);
      const into = Buffer.alloc(5 * MiB);
      await client.read(2 * MiB, into, never);
      expectSame(into, Buffer.concat([Buffer.alloc(MiB), Buffer.alloc(3 * MiB, 0x44), Buffer.alloc(MiB)]));
      client.close();
    });
  });

  it('a QEMU that runs a guest: the bitmap has what the guest wrote', async () => {
    const guest = await startGuest(folder.at('.'), await makeChain(folder.at('.')));
    try {
      const { qmp } = guest;
      const socket = folder.at('nbd.sock');
      await qmp.execute('nbd-server-start', { addr: { type: 'unix', data: { path: socket } }, 'max-connections': 0 });
      // It has counted its boot by then, elsewhere on the disk.
      await guest.written(1);
      await qmp.execute('block-dirty-bitmap-add', { node: 'disk0', name: 'b0' });
      await guest.written(20);
      await qmp.execute('stop');
      await qmp.execute('block-dirty-bitmap-disable', { node: 'disk0', name: 'b0' });
      const device = { type: 'nbd', id: 'e', name: 'e', writable: false, 'node-name': 'disk0', bitmaps: ['b0'] };
      await qmp.execute('block-export-add', device);
      const client = await connectSoon(socket, [BASE_ALLOCATION, dirtyBitmap('b0')]);
      let dirty = 0;
      for await (const { offset, length, flags } of statusExtents(client, [dirtyBitmap('b0')], never)) {
        if ((flags[0]! & 1) === 0) continue;
        dirty += length;
        expect(offset).toBeGreaterThanOrEqual(4 * MiB);
        expect(offset + length).toBeLessThanOrEqual(12 * MiB);
      }
      expect(dirty).toBeGreaterThan(0);
      client.close();
      await guest.written(0);
      expect(await qmp.execute('query-status')).toMatchObject({ status: 'paused' });
    } finally {
      await guest.end();
    }
  });
});

/** A server that has just been started may not listen yet. */
async function connectSoon(socket: string, contexts: readonly string[]): Promise<NbdClient> {
  const options = { exportName: 'e', contexts, clock: systemClock, signal: never };
  for (let tries = 0; ; tries++) {
    try {
      return await openNbd(unixSocket(socket), options);
    } catch (error) {
      if (tries === 100) throw error;
      await systemClock.sleep(20);
    }
  }
}
