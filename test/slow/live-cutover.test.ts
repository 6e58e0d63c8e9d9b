import { once } from 'node:events';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { systemClock } from '../../adapters/system/clock.ts';
import type { Qmp } from '../../agent/qemu/qmp.ts';
import { LayerMoverError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import { coded, eachFolder } from '../agent/support.ts';
import { lastNumber } from '../live/guest/guest.ts';
import { IncomingQemu } from '../live/incoming-qemu.ts';
import { describeWithGuest, type Guest, makeChain, startGuest } from '../live/qemu.ts';
import { Stage } from '../live/stage.ts';

const never = new AbortController().signal;
const folder = eachFolder();
const asTheyAre = { ...limits };
let guest: Guest;
let stage: Stage;
let destination: IncomingQemu | undefined;

beforeEach(async () => {
  guest = await startGuest(folder.at('.'), await makeChain(folder.at('.')));
  stage = new Stage(folder);
  await stage.start();
  await stage.noteVm(guest.socket, guest.top);
});
afterEach(async () => {
  Object.assign(limits, asTheyAre);
  await stage.close();
  await guest.end();
  await destination?.end();
  destination = undefined;
});

/** Survey and two rounds, followed by the destination. */
async function prepare(): Promise<void> {
  await stage.survey();
  const following = stage.follow();
  following.catch(() => undefined);
  await stage.round(0);
  await guest.written(20);
  await stage.round(1);
}

/** From now on the destination takes a guest's memory. */
async function incoming(): Promise<void> {
  const uri = `unix:${folder.at('ram.sock')}`;
  destination = await IncomingQemu.start(stage.disk, { uri, socket: folder.at('destination.sock') });
  stage.tell({ uri });
}

const running = async (qmp: Qmp) => ((await qmp.execute('query-status')) as { status: string }).status;

describeWithGuest('a cutover', () => {
  it('with RAM: the guest goes on counting at the destination, and nothing is lost', async () => {
    await prepare();
    await incoming();
    const before = await guest.writes();
    const result = await stage.cutover('ram');
    expect(result).toMatchObject({ kind: 'cutover', blackout: { total_ms: expect.any(Number) } });
    if (result.kind === 'cutover') expect(result.blackout!.storage_ms).toBeLessThanOrEqual(result.blackout!.total_ms);
    expect(stage.calls.filter((name) => name === 'commitMigration')).toHaveLength(1);
    expect(await running(destination!.qmp)).toBe('running');
    await systemClock.sleep(1000);
    await destination!.qmp.execute('stop');
    await destination!.end();
    expect(lastNumber(stage.disk)).toBeGreaterThan(before);
  });

  it('that stops the guest brings all that it wrote', async () => {
    await prepare();
    const before = await guest.writes();
    expect(await stage.cutover('stop')).toMatchObject({ blackout: { last_bytes: expect.any(Number) } });
    expect(lastNumber(stage.disk)).toBeGreaterThanOrEqual(before - 1);
  });

  it.each(['ram', 'stop'] as const)(
    'by %s whose commit is refused leaves the guest running, tracked and unhurt',
    async (kind) => {
      await prepare();
      await incoming();
      stage.answers.commitMigration = () => {
        throw new LayerMoverError('EPOCH_STALE', 'no');
      };
      await expect(stage.cutover(kind)).rejects.toMatchObject({ code: 'EPOCH_STALE' });
      expect(stage.calls).not.toContain('reclaim');
      expect(await running(guest.qmp)).toBe('running');
      await guest.written(5);
    },
  );

  it('with RAM whose commit is not answered takes the guest back, by the epoch', async () => {
    Object.assign(limits, { commit_unknown_ms_max: 200 });
    await prepare();
    await incoming();
    stage.answers.commitMigration = (_, signal) =>
      new Promise((_resolve, reject) => signal?.addEventListener('abort', () => reject(signal.reason)));
    await expect(stage.cutover('ram')).rejects.toMatchObject({ code: 'COMMIT_UNKNOWN' });
    expect(stage.calls.at(-1)).toBe('reclaim');
    expect(await running(guest.qmp)).toBe('running');
    await guest.written(5);
  });

  it.each(['ram', 'stop'] as const)(
    'by %s whose commit passed unheard, and is refused when it is asked again, takes the VM back first',
    async (kind) => {
      await prepare();
      await incoming();
      stage.answers.commitMigration = () => {
        throw coded('ABORTED');
      };
      await expect(stage.cutover(kind)).rejects.toMatchObject({ code: 'ABORTED' });
      expect(stage.calls.at(-1)).toBe('reclaim');
      expect(await running(guest.qmp)).toBe('running');
    },
  );

  it('with RAM whose destination has the VM for good leaves nothing running here', async () => {
    Object.assign(limits, { commit_unknown_ms_max: 200 });
    await prepare();
    await incoming();
    stage.answers.commitMigration = () => {
      throw coded('API_TIMEOUT');
    };
    stage.answers.reclaim = () => {
      throw coded('VM_RUNS_ELSEWHERE');
    };
    const ended = once(guest.process, 'exit');
    await expect(stage.cutover('ram')).rejects.toMatchObject({ code: 'API_TIMEOUT' });
    await ended;
    expect(stage.receiptWaits, 'nobody waits any more').toMatchObject([{ aborted: true }]);
  });

  it('is given up while the guest is stopped: it runs on', async () => {
    await prepare();
    stage.isSilent = true;
    const abort = new AbortController();
    const stopped = guest.qmp.waitFor('STOP', () => true, never);
    const cutover = stage.cutover('stop', abort.signal);
    await stopped;
    abort.abort(new LayerMoverError('TASK_CANCELLED', 'aborted'));
    await expect(cutover).rejects.toMatchObject({ code: 'TASK_CANCELLED' });
    expect(await running(guest.qmp)).toBe('running');
    await guest.written(5);
  });

  it.each(['ram', 'stop'] as const)(
    'by %s whose monitor is lost as well is put in order by another connection',
    async (kind) => {
      await prepare();
      await incoming();
      stage.answers.commitMigration = async () => {
        await stage.die();
        throw coded('API_TIMEOUT');
      };
      await expect(stage.cutover(kind)).rejects.toThrow();
      await stage.host.live.settled('web-1');
      expect(await running(guest.qmp)).toBe('running');
      expect(stage.calls).toContain('reclaim');
      await guest.written(5);
    },
  );

  it('that stops the guest, and is committed without our hearing of it, leaves nothing running here', async () => {
    await prepare();
    stage.answers.commitMigration = () => {
      throw coded('API_TIMEOUT');
    };
    stage.answers.reclaim = () => {
      throw coded('VM_RUNS_ELSEWHERE');
    };
    const ended = once(guest.process, 'exit');
    await expect(stage.cutover('stop')).rejects.toMatchObject({ code: 'API_TIMEOUT' });
    await ended;
  });

  it('with RAM whose destination dies after the commit is undone by the epoch, and the guest runs on here', async () => {
    await prepare();
    await incoming();
    stage.answers.commitMigration = async () => {
      await destination!.end();
      return { owner: 'b/h1', epoch: 1 };
    };
    await expect(stage.cutover('ram')).rejects.toMatchObject({ code: 'RAM_FAILED' });
    expect(stage.calls.slice(-2)).toEqual(['commitMigration', 'reclaim']);
    expect(await running(guest.qmp)).toBe('running');
    await guest.written(5);
  });

  it('with RAM keeps a guest that has gone until its destination tells that it runs', async () => {
    await prepare();
    await incoming();
    stage.fate = undefined;
    const gone = guest.qmp.waitFor('MIGRATION', ({ data }) => data.status === 'completed', never);
    const cutover = stage.cutover('ram');
    await gone;
    await systemClock.sleep(4 * limits.poll_busy_ms);
    expect(await running(guest.qmp)).toBe('postmigrate');
    stage.fate = { is: 'runs', waited_ms: 4000 };
    const { blackout } = (await cutover) as { blackout?: { total_ms: number } };
    expect(blackout?.total_ms, 'the pause ends there').toBeGreaterThan(4000);
    expect(stage.calls).not.toContain('reclaim');
  });

  it('with RAM that has gone and did not come is undone by the epoch, and the guest runs on here', async () => {
    await prepare();
    await incoming();
    stage.fate = { is: 'lost' };
    await expect(stage.cutover('ram')).rejects.toMatchObject({ code: 'GUEST_LOST' });
    expect(stage.calls.at(-1)).toBe('reclaim');
    expect(await running(guest.qmp)).toBe('running');
    await guest.written(5);
  });

  it.each(['runs', 'lost'] as const)(
    'with RAM whose agent died when the guest had gone waits for a word: %s',
    async (is) => {
      await prepare();
      await incoming();
      stage.fate = undefined;
      const gone = guest.qmp.waitFor('MIGRATION', ({ data }) => data.status === 'completed', never);
      const ended = once(guest.process, 'exit');
      const cutover = stage.cutover('ram');
      cutover.catch(() => undefined);
      await gone;
      await stage.host.live.stop();
      await stage.start();
      await systemClock.sleep(4 * limits.poll_busy_ms);
      expect(await running(guest.qmp), 'as long as nobody tells').toBe('postmigrate');
      stage.fate = { is };
      await stage.host.live.settled('web-1');
      if (is === 'runs') await ended;
      else await guest.written(5);
      expect(stage.calls.includes('reclaim')).toBe(is === 'lost');
    },
  );

  it('with RAM that has gone, and of which nothing is told within guest_told_ms, is taken back', async () => {
    Object.assign(limits, { guest_told_ms: 1000 });
    await prepare();
    await incoming();
    stage.fate = undefined;
    await expect(stage.cutover('ram')).rejects.toMatchObject({ code: 'GUEST_LOST' });
    expect(stage.calls.at(-1)).toBe('reclaim');
    await guest.written(5);
  });

  it('is not committed if the guest’s QEMU has died, and the VM stays here', async () => {
    await prepare();
    await incoming();
    stage.answers.commitRound = (body) => {
      if (body.layer_id !== undefined) guest.process.kill('SIGKILL');
      return stage.committed(body);
    };
    await expect(stage.cutover('ram')).rejects.toThrow();
    await stage.host.live.settled('web-1');
    expect(stage.calls).not.toContain('commitMigration');
    expect(stage.calls.at(-1), 'no commit of an earlier attempt passes').toBe('reclaim');
  });

  it('whose QEMU dies after the commit has one owner: here, as soon as the destination has told that nothing came', async () => {
    await prepare();
    await incoming();
    stage.fate = undefined;
    const committed = Promise.withResolvers<void>();
    stage.answers.commitMigration = async () => {
      guest.process.kill('SIGKILL');
      await once(guest.process, 'exit');
      committed.resolve();
      return { owner: 'b/h1', epoch: 1 };
    };
    const cutover = stage.cutover('ram');
    cutover.catch(() => undefined);
    await committed.promise;
    await systemClock.sleep(4 * limits.poll_busy_ms);
    expect(stage.calls).not.toContain('reclaim');
    stage.fate = { is: 'lost' };
    await expect(cutover).rejects.toThrow();
    await stage.host.live.settled('web-1');
    expect(stage.calls).toContain('reclaim');
  });

  it('with RAM of a guest that was paused says so', async () => {
    await prepare();
    await incoming();
    await guest.qmp.execute('stop');
    await stage.cutover('ram');
    expect(stage.bodies.find(({ name }) => name === 'commitMigration')?.body).toMatchObject({ paused: true });
  });

  it('goes where the destination’s next word says, if it began anew after the last one', async () => {
    await prepare();
    stage.tell({ uri: `unix:${folder.at('nobody.sock')}` });
    const failed = guest.qmp.waitFor('MIGRATION', ({ data }) => data.status === 'failed', never);
    const cutover = stage.cutover('ram');
    await failed;
    await incoming();
    expect(await cutover).toMatchObject({ kind: 'cutover' });
    expect(await running(destination!.qmp)).toBe('running');
  });

  it('fails if its destination takes no memory and has nothing new to say within incoming_again_ms', async () => {
    Object.assign(limits, { incoming_again_ms: 300 });
    await prepare();
    stage.tell({ uri: `unix:${folder.at('nobody.sock')}` });
    await expect(stage.cutover('ram')).rejects.toMatchObject({ code: 'RAM_FAILED' });
    expect(await running(guest.qmp)).toBe('running');
  });

  it.each(['ram', 'stop'] as const)(
    'by %s that an earlier attempt was lost in, after its receipt, waits for nobody: the guest runs on',
    async (kind) => {
      await stage.survey();
      stage.proveEarlier();
      await expect(stage.cutover(kind, undefined, 2)).rejects.toMatchObject({ code: 'CUTOVER_LOST' });
      expect(await running(guest.qmp)).toBe('running');
      await guest.written(5);
    },
  );

  it('whose destination says nothing within pause_ms_max is given up', async () => {
    Object.assign(limits, { pause_ms_max: 300 });
    await prepare();
    stage.isSilent = true;
    await expect(stage.cutover('stop')).rejects.toMatchObject({ code: 'PAUSE_TOO_LONG' });
    expect(await running(guest.qmp)).toBe('running');
    await guest.written(5);
  });
});
