import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { afterAll, afterEach, expect, it } from 'vitest';
import { systemClock } from '../../adapters/system/clock.ts';
import { systemFiles } from '../../adapters/system/files.ts';
import { unixSocket } from '../../adapters/system/unix-socket.ts';
import { openChain } from '../../agent/disk/chain.ts';
import { LiveBook } from '../../agent/live/book.ts';
import { LiveSession } from '../../agent/live/session.ts';
import { ManifestStore } from '../../agent/manifests/store.ts';
import { pullLayer } from '../../agent/pull/pull-layer.ts';
import { pushRound } from '../../agent/push/push-round.ts';
import { disksOf } from '../../agent/qemu/disks.ts';
import { connectQmp } from '../../agent/qemu/qmp.ts';
import { ChunkPool } from '../../agent/scan/pool.ts';
import { touchedRuns } from '../../agent/scan/runs.ts';
import { scanLayer } from '../../agent/scan/scan-layer.ts';
import { geometryOf } from '../../core/chunk.ts';
import { NO_DIGEST } from '../../core/fingerprint.ts';
import { each, MemoryDisk, MemoryStore, UNTOUCHED } from '../agent/push-support.ts';
import { eachFolder, keptLog } from '../agent/support.ts';
import { lastNumber } from './guest/guest.ts';
import { describeWithGuest, type Guest, makeChain, startGuest } from './qemu.ts';

const never = new AbortController().signal;
const folder = eachFolder();
const pool = new ChunkPool({ workers: 1, buffers: 3, bufferBytes: 1024 * 1024 });
afterAll(() => pool.close());
let guest: Guest | undefined;
afterEach(() => guest?.end());

async function begin(chunkBytes = 64 * 1024) {
  guest = await startGuest(folder.at('.'), await makeChain(folder.at('.')));
  const qmp = await connectQmp(unixSocket(guest.socket), { clock: systemClock, signal: never });
  const disk = (await disksOf(qmp))[0]!;
  const geometry = geometryOf(disk.virtualBytes, chunkBytes);
  mkdirSync(folder.at('state'));
  const book = await LiveBook.open(systemFiles, folder.at('state', 'live-'), geometry, NO_DIGEST);
  const log = keptLog();
  const options = {
    qmp,
    clock: systemClock,
    log,
    vm: 'v',
    migration: 'm',
    disks: [
      {
        ...disk,
        disk: undefined,
        qdev: disk.qdev!,
        mechanism: 'pull' as const,
        copyBytes: 0,
        geometry,
        book,
        doneBytes: 0,
        cursor: undefined,
      },
    ],
    monitor: guest.socket,
    files: systemFiles,
    folder: folder.at('state'),
  };
  const session = await LiveSession.begin(options, never);
  const store = new MemoryStore('migration', 'unordered');
  let sequence = 0;
  const round = (number: number, isLast = false, signal = never) =>
    session.round({ number, isLast }, signal, async ([layer]) => {
      const pushed = await pushRound({
        name: 'top',
        totalBytes: 0,
        pool,
        sink: store,
        clock: systemClock,
        signal,
        geometry,
        sequence,
        layer: layer!,
        book,
        isLast,
        fill: layer!.fill,
        runs: touchedRuns(layer!.extents(), geometry),
      });
      sequence = pushed.sequence;
      return { wireBytes: pushed.counts.wireBytes, milliseconds: 1 };
    });
  return { guest, session, store, geometry, round, log };
}

/** What a scan of the file finds: a first write to a cluster puts all of it into the layer, however small the chunks are. */
async function layerIdOf(top: string, chunkBytes: number): Promise<string> {
  const chain = await openChain(top, { imageFolder: folder.at('.') });
  try {
    const manifests = new ManifestStore(folder.at('manifests'));
    const layer = chain.layers.at(-1)!;
    return (await scanLayer({ layer, chunkBytes, parent: NO_DIGEST, pool, manifests, signal: never })).layerId;
  } finally {
    await chain.close();
  }
}

describeWithGuest('rounds of a guest that writes', () => {
  it.each([64 * 1024, 4096])('in chunks of %i bytes make what it has in the end', async (chunkBytes) => {
    const { guest, session, store, geometry, round, log } = await begin(chunkBytes);
    await guest.written(20);
    const stats = [await round(0)];
    for (let number = 1; number <= 4; number++) {
      await guest.written(30);
      stats.push(await round(number));
    }
    await guest.qmp.execute('stop');
    stats.push(await round(5, true));
    expect(stats.at(-1)).toMatchObject({ remaining_bytes: 0, guest_write_bytes_per_second: 0 });
    expect(stats[1]!.dirty_bytes).toBeGreaterThan(0);
    expect(stats[1]!.dirty_bytes).toBeLessThan(stats[0]!.dirty_bytes + 30 * 64 * 1024);
    await session.end();
    expect(log.lines).toEqual([]);
    expect(await guest.qmp.execute('query-named-block-nodes').then((nodes) => JSON.stringify(nodes))).not.toContain(
      '"name":"layermover-',
    );
    await guest.end();
    expect(store.rounds.at(-1)?.layerId).toBe(await layerIdOf(guest.top, chunkBytes));
    execFileSync('qemu-img', ['convert', '-O', 'raw', guest.top, folder.at('source.raw')]);
    expect(lastNumber(folder.at('source.raw'))).toBeGreaterThan(100);
    const writer = new MemoryDisk(geometry.virtualBytes);
    const job = {
      name: 'top',
      geometry,
      parent: NO_DIGEST,
      rounds: each(store.rounds),
      source: store,
      writer,
      signal: never,
      totalBytes: 0,
    };
    await pullLayer(job);
    // Over what lies below.
    execFileSync('qemu-img', ['convert', '-O', 'raw', folder.at('env.qcow2'), folder.at('env.raw')]);
    const [source, below] = [readFileSync(folder.at('source.raw')), readFileSync(folder.at('env.raw'))];
    for (let at = 0; at < source.length; at += 512) {
      const brought = writer.bytes.subarray(at, at + 512);
      const isTop = !brought.every((byte) => byte === UNTOUCHED);
      if (!(isTop ? brought : below.subarray(at, at + 512)).equals(source.subarray(at, at + 512)))
        expect.fail(`byte ${at} differs`);
    }
  });
});
