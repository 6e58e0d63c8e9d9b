import { afterEach, beforeEach, expect, it } from 'vitest';
import { systemClock } from '../../adapters/system/clock.ts';
import { LayerMoverError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import { eachFolder } from '../agent/support.ts';
import { lastNumber } from '../live/guest/guest.ts';
import { IncomingQemu } from '../live/incoming-qemu.ts';
import { describeWithGuest, type Guest, IOTHREAD_DEVICE, makeChain, startGuest } from '../live/qemu.ts';
import { Stage } from '../live/stage.ts';

const folder = eachFolder();
const asTheyAre = { ...limits };
let guest: Guest;
let stage: Stage;
let destination: IncomingQemu | undefined;

beforeEach(async () => {
  guest = await startGuest(folder.at('.'), await makeChain(folder.at('.')), { device: IOTHREAD_DEVICE });
  stage = new Stage(folder);
  await stage.start();
  await stage.noteVm(guest.socket, guest.top);
  await stage.survey();
});
afterEach(async () => {
  Object.assign(limits, asTheyAre);
  await stage.close();
  await guest.end();
  await destination?.end();
  destination = undefined;
});

function follow(): void {
  stage.follow().catch(() => undefined);
}

async function incoming(): Promise<void> {
  const uri = `unix:${folder.at('ram.sock')}`;
  const monitor = { uri, socket: folder.at('destination.sock'), device: IOTHREAD_DEVICE };
  destination = await IncomingQemu.start(stage.disk, monitor);
  stage.tell({ uri });
}

/** What of ours is in the guest's QEMU. */
async function ours(): Promise<string[]> {
  const nodes = (await guest.qmp.execute('query-named-block-nodes', { flat: true })) as { 'node-name': string }[];
  return nodes.map((node) => node['node-name']).filter((name) => name.startsWith('layermover-'));
}

const status = async () => ((await guest.qmp.execute('query-status')) as { status: string }).status;

describeWithGuest('a guest whose disk is in an iothread', () => {
  it('goes with its memory, and counts on at the destination: nothing is lost', async () => {
    // An emulated disk can take in megabytes within a round.
    const none = { bps: 0, bps_rd: 0, bps_wr: 0, iops: 0, iops_rd: 0 };
    await guest.qmp.execute('block_set_io_throttle', {
      id: '/machine/peripheral/vd0/virtio-backend',
      ...none,
      iops_wr: 50,
    });
    follow();
    await stage.round(0);
    for (const round of [1, 2]) {
      await guest.written(20);
      const { stats } = (await stage.round(round)) as { stats: { dirty_bytes: number } };
      // What it wrote, not all that it has.
      expect(stats.dirty_bytes).toBeLessThan(3 * 1024 * 1024);
    }
    await incoming();
    const before = await guest.writes();
    expect(await stage.cutover('ram')).toMatchObject({ blackout: { total_ms: expect.any(Number) } });
    await systemClock.sleep(1000);
    await destination!.qmp.execute('stop');
    await destination!.end();
    expect(lastNumber(stage.disk)).toBeGreaterThan(before);
  });

  it('that is stopped has brought all that it wrote', async () => {
    follow();
    await stage.round(0);
    await guest.written(30);
    const before = await guest.writes();
    await stage.cutover('stop');
    expect(lastNumber(stage.disk)).toBeGreaterThanOrEqual(before - 1);
  });

  it('misses nothing of a round that failed', async () => {
    follow();
    await stage.round(0);
    await guest.written(30);
    stage.onPut = () => {
      throw new LayerMoverError('OBJECT_REFUSED', 'the store is away');
    };
    await expect(stage.round(1)).rejects.toMatchObject({ code: 'OBJECT_REFUSED' });
    stage.onPut = () => undefined;
    await stage.round(2);
    const before = await guest.writes();
    await stage.cutover('stop');
    expect(lastNumber(stage.disk)).toBeGreaterThanOrEqual(before - 1);
  });

  it.each(['ram', 'stop'] as const)(
    'runs on, as it was, when its cutover by %s is refused; the next round begins anew',
    async (kind) => {
      follow();
      await stage.round(0);
      await incoming();
      stage.answers.commitMigration = () => {
        throw new LayerMoverError('EPOCH_STALE', 'no');
      };
      await expect(stage.cutover(kind)).rejects.toMatchObject({ code: 'EPOCH_STALE' });
      expect(await status()).toBe('running');
      expect(await ours()).toEqual([]);
      await guest.written(20);
      // What it writes from now on is followed anew.
      const { stats } = (await stage.round(0)) as { stats: { dirty_bytes: number } };
      expect(stats.dirty_bytes).toBeGreaterThan(3 * 1024 * 1024);
    },
  );

  it('runs on when its mirror fails, and the next run of the agent begins anew', async () => {
    follow();
    await stage.round(0);
    await guest.qmp.execute('block-job-cancel', { device: 'layermover-mirror-0', force: true });
    let number = 1;
    // A round may be over before QEMU's word of it has come.
    const next = () =>
      stage.round(number++).then(
        () => undefined,
        ({ code }) => code,
      );
    await expect.poll(next, { timeout: 10_000 }).toBe('MIRROR_FAILED');
    await expect.poll(ours, { timeout: 10_000 }).toEqual([]);
    await guest.written(10);
    await stage.round(number);
    const before = await guest.writes();
    await stage.cutover('stop');
    expect(lastNumber(stage.disk)).toBeGreaterThanOrEqual(before - 1);
  });

  it('whose limits were lowered has them back, and nothing is left once the agent stops', async () => {
    await stage.round(0, { throttle_bytes_per_second: 400_000 });
    await guest.written(5);
    await stage.host.live.stop();
    expect(await ours()).toEqual([]);
    const [disk] = (await guest.qmp.execute('query-block')) as { inserted: { bps_wr: number } }[];
    expect(disk!.inserted.bps_wr).toBe(0);
    await guest.written(5);
  });
});
