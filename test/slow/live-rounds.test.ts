import { afterEach, beforeEach, expect, it } from 'vitest';
import { disksOf } from '../../agent/qemu/disks.ts';
import { LayerMoverError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import { eachFolder } from '../agent/support.ts';
import { lastNumber } from '../live/guest/guest.ts';
import { describeWithGuest, type Guest, makeChain, startGuest } from '../live/qemu.ts';
import { Stage } from '../live/stage.ts';

const folder = eachFolder();
const asTheyAre = { ...limits };
let guest: Guest;
let stage: Stage;

beforeEach(async () => {
  guest = await startGuest(folder.at('.'), await makeChain(folder.at('.')));
  stage = new Stage(folder);
  await stage.start();
  await stage.noteVm(guest.socket, guest.top);
  await stage.survey();
});
afterEach(async () => {
  Object.assign(limits, asTheyAre);
  await stage.close();
  await guest.end();
});

/** What of ours is in the guest's QEMU. */
async function ours() {
  const [disk] = await disksOf(guest.qmp);
  const exports = (await guest.qmp.execute('query-block-exports')) as unknown[];
  return { bitmaps: disk!.bitmaps.map(({ name }) => name), exports: exports.length, throttle: disk!.throttle };
}

const NONE = { bps: 0, bps_rd: 0, bps_wr: 0, iops: 0, iops_rd: 0, iops_wr: 0 };
const CLEAN = { bitmaps: [], exports: 0, throttle: NONE };

describeWithGuest('a round that fails', () => {
  it('gives what it had to copy to the next one: nothing is missing in the end', async () => {
    const following = stage.follow();
    following.catch(() => undefined);
    await stage.round(0);
    for (const round of [1, 2]) {
      await guest.written(30);
      stage.onPut = () => {
        throw new LayerMoverError('OBJECT_REFUSED', 'the store is away');
      };
      await expect(stage.round(round)).rejects.toMatchObject({ code: 'OBJECT_REFUSED' });
      expect(await ours()).toMatchObject({ bitmaps: [`layermover-${2 * round - 1}`], exports: 0 });
      stage.onPut = () => undefined;
      await stage.round(round);
    }
    const before = await guest.writes();
    await stage.cutover('stop');
    expect(lastNumber(stage.disk)).toBeGreaterThanOrEqual(before - 1);
  });

  it('as its connection is cut in the middle leaves the guest alone, and the next one goes on', async () => {
    Object.assign(limits, { frame_raw_bytes_max: 256 * 1024, pack_raw_bytes_max: 512 * 1024 });
    const following = stage.follow();
    following.catch(() => undefined);
    // The first pack is stored while the rest is still being read: then QEMU cuts all of its clients off.
    stage.onPut = async () => {
      stage.onPut = () => undefined;
      await guest.qmp.execute('nbd-server-stop');
    };
    await expect(stage.round(0)).rejects.toMatchObject({ code: expect.stringMatching(/^NBD_/) });
    await guest.written(5);
    expect(await ours()).toMatchObject({ bitmaps: ['layermover-0'], exports: 0 });
    await stage.round(0);
    const before = await guest.writes();
    await stage.cutover('stop');
    expect(lastNumber(stage.disk)).toBeGreaterThanOrEqual(before - 1);
  });

  it('slows the guest down no more, and nothing is left once the agent stops', async () => {
    const limited = { ...NONE, iops_wr: 5000 };
    await guest.qmp.execute('block_set_io_throttle', { id: '/machine/peripheral/vd0/virtio-backend', ...limited });
    await stage.round(0, { throttle_bytes_per_second: 400_000 });
    expect((await ours()).throttle).toMatchObject({ bps_wr: 400_000, iops_wr: 5000 });
    stage.onPut = () => {
      throw new LayerMoverError('OBJECT_REFUSED', 'the store is away');
    };
    await guest.written(5);
    await expect(stage.round(1, { throttle_bytes_per_second: 200_000 })).rejects.toMatchObject({
      code: 'OBJECT_REFUSED',
    });
    expect((await ours()).throttle).toMatchObject(limited);
    await stage.host.live.stop();
    expect(await ours()).toMatchObject({ bitmaps: [], exports: 0, throttle: limited });
    await guest.written(5);
  });

  it('as its agent dies is put back by the next run, the limits as they were before', async () => {
    await stage.round(0, { throttle_bytes_per_second: 400_000 });
    expect(await ours()).toMatchObject({ bitmaps: ['layermover-0'], throttle: { bps_wr: 400_000 } });
    // Its connection is gone with it, and all that it knew but for its files.
    await stage.die();
    await stage.start();
    await stage.host.live.settled('web-1');
    expect(await ours()).toEqual(CLEAN);
    await stage.round(0);
    expect(await ours()).toMatchObject({ bitmaps: ['layermover-0'], exports: 0, throttle: NONE });
    await guest.written(5);
  });

  it('is no hindrance to the migration that goes on at once: it surveys, and begins with all of the layer', async () => {
    const first = await stage.round(0);
    await stage.survey();
    expect(await ours()).toMatchObject(CLEAN);
    const again = await stage.round(0);
    if (first.kind !== 'round' || again.kind !== 'round') throw new Error('no rounds');
    expect(again.stats.dirty_bytes).toBeGreaterThanOrEqual(first.stats.dirty_bytes);
  });

  it('or none that comes within live_idle_ms: the guest is as it was', async () => {
    Object.assign(limits, { live_idle_ms: 50 });
    await stage.round(0);
    await expect.poll(ours).toEqual(CLEAN);
  });
});
