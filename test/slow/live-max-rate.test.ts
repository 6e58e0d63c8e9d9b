import { writeFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { LayerMoverError } from '../../core/errors.ts';
import { eachFolder } from '../agent/support.ts';
import { noise } from '../disk/support.ts';
import { IncomingQemu } from '../live/incoming-qemu.ts';
import { describeWithGuest, type Guest, makeChain, startGuest } from '../live/qemu.ts';
import { Stage } from '../live/stage.ts';

const MB = 1_000_000;
const RATE = 8 * MB;
/** The rounds that go along with it have the other half. */
const OF_MEMORY = RATE / 2;
/** Memory that does not compress to pages of zeros. */
const FILLED = 12 * MB;

const folder = eachFolder();
let guest: Guest;
let stage: Stage;
let destination: IncomingQemu;

beforeEach(async () => {
  writeFileSync(folder.at('memory'), noise(FILLED, 7));
  const filled = ['-device', `loader,file=${folder.at('memory')},addr=0x1000000,force-raw=on`];
  guest = await startGuest(folder.at('.'), await makeChain(folder.at('.')), { args: filled });
  stage = new Stage(folder);
  await stage.start();
  await stage.noteVm(guest.socket, guest.top);
  await stage.survey();
  stage.follow().catch(() => undefined);
  await stage.round(0);
  const uri = `unix:${folder.at('ram.sock')}`;
  destination = await IncomingQemu.start(stage.disk, { uri, socket: folder.at('destination.sock') });
  stage.tell({ uri });
});
afterEach(async () => {
  await stage.close();
  await guest.end();
  await destination.end();
});

interface Told {
  readonly 'total-time': number;
  readonly ram: { readonly transferred: number };
}
const parameters = async () => {
  const all = (await guest.qmp.execute('query-migrate-parameters')) as Record<string, number>;
  return [all['max-bandwidth'], all['downtime-limit']];
};

describeWithGuest('a migration that may send so much a second', () => {
  it('holds the guest’s memory to it while the guest runs, and leaves its QEMU as it was', async () => {
    const before = await parameters();
    stage.maxRate = RATE;
    let told: Told | undefined;
    let held: unknown;
    stage.answers.commitMigration = async () => {
      told = (await guest.qmp.execute('query-migrate')) as Told;
      held = await parameters();
      throw new LayerMoverError('EPOCH_STALE', 'no');
    };
    await expect(stage.cutover('ram')).rejects.toMatchObject({ code: 'EPOCH_STALE' });
    expect(held).toEqual([OF_MEMORY, 300]);
    expect(told!.ram.transferred).toBeGreaterThan(FILLED);
    // QEMU counts by tenths of a second.
    expect(told!.ram.transferred).toBeLessThan((OF_MEMORY * (told!['total-time'] + 200)) / 1000);
    expect(await parameters()).toEqual(before);
    await guest.written(5);
  });

  it('sends what is left without it once the guest is stopped, and nothing before', async () => {
    stage.maxRate = RATE;
    let whileItRan: number | undefined;
    const stopped = guest.qmp
      .waitFor('STOP', () => true, new AbortController().signal)
      .then(() => {
        whileItRan = stage.unlimited.length;
      });
    await stage.cutover('stop');
    await stopped;
    expect(whileItRan).toBe(0);
    expect(stage.unlimited.filter((key) => key.includes('/layers/'))).toHaveLength(1);
  });
});
