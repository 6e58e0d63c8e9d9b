import { setImmediate } from 'node:timers/promises';
import { afterEach, expect, it } from 'vitest';
import { createManualClock } from '../../../adapters/memory/manual-clock.ts';
import { systemFiles } from '../../../adapters/system/files.ts';
import { LocalCopy } from '../../../agent/live/mirror/local-copy.ts';
import { MirroredDisk } from '../../../agent/live/mirror/mirrored-disk.ts';
import { EventFeed } from '../../../agent/qemu/events.ts';
import type { Qmp } from '../../../agent/qemu/qmp.ts';
import { geometryOf } from '../../../core/chunk.ts';
import { limits } from '../../../core/limits.ts';
import { eachFolder } from '../../agent/support.ts';

const MiB = 1024 * 1024;
const never = new AbortController().signal;
const folder = eachFolder();
const copies: LocalCopy[] = [];
afterEach(async () => {
  for (const copy of copies.splice(0)) await copy.remove();
});

/** A mirror of a disk of three segments, of which QEMU tells what a test says. */
async function begin() {
  const room = { folder: folder.at('.'), name: 'the copy', bytes: 0 };
  const copy = await LocalCopy.open(systemFiles, folder.at('copy-'), geometryOf(48 * MiB, 4096), room);
  copies.push(copy);
  const job = { device: 'layermover-mirror-0', len: 0, offset: 0 };
  let asked = 0;
  let feed: EventFeed | undefined;
  const qmp = {
    execute: async (command: string) => {
      if (command !== 'query-block-jobs') return {};
      asked++;
      return [job];
    },
    events: (...names: string[]) => {
      feed = new EventFeed(names, () => undefined);
      return feed;
    },
  } as unknown as Qmp;
  const clock = createManualClock();
  const disk = await MirroredDisk.begin(
    qmp,
    { node: 'n', copy, granularity: 65_536 },
    { index: 0, socket: '/s' },
    never,
  );
  const offsets: number[] = [];
  const round = (async () => {
    for await (const { offset } of disk.firstLayer(clock, never).extents()) offsets.push(offset);
  })();
  round.catch(() => undefined);
  const turns = async () => {
    for (let turn = 0; turn < 20; turn++) await setImmediate();
  };
  await turns();
  const write = async (offset: number) => {
    await copy.write(offset, Buffer.alloc(4096, 1));
    await turns();
  };
  const tell = async (event: string, data = {}) => {
    feed!.deliver({ event, data: { device: job.device, ...data } });
    await turns();
  };
  const pass = async (ms: number) => {
    await clock.advance(ms);
    await turns();
  };
  return { job, asked: () => asked, offsets, round, write, tell, pass, copy };
}

it('a first round takes a segment once the mirror has gone past it, and all when it is ready', async () => {
  const { write, tell, offsets, round, copy } = await begin();
  await write(4096);
  await write(8 * MiB);
  expect(offsets).toEqual([]);
  await write(17 * MiB);
  expect(offsets).toEqual([4096, 8 * MiB]);
  await write(0);
  await tell('BLOCK_JOB_READY');
  await round;
  expect(offsets).toEqual([4096, 8 * MiB, 17 * MiB]);
  // What came behind it is the next round's.
  expect(copy.segments()).toEqual([0]);
});

it('a mirror of which nothing comes is asked every mirror_progress_ms whether it has gone through the disk', async () => {
  const { job, pass, asked, round } = await begin();
  await pass(limits.mirror_progress_ms - 1);
  expect(asked()).toBe(0);
  Object.assign(job, { len: 8192, offset: 4096 });
  await pass(1);
  expect(asked()).toBe(1);
  Object.assign(job, { len: 12_288, offset: 8192 });
  await pass(limits.mirror_progress_ms);
  await round;
});

it.each([
  ['BLOCK_JOB_ERROR', { operation: 'write', action: 'stop' }],
  ['BLOCK_JOB_COMPLETED', { error: 'Input/output error' }],
  ['BLOCK_JOB_CANCELLED', {}],
])('a first round fails with its mirror: %s', async (event, data) => {
  const { tell, round } = await begin();
  await tell(event, data);
  await expect(round).rejects.toMatchObject({ code: 'MIRROR_FAILED' });
});
