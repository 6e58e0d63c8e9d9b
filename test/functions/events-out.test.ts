import { beforeEach, describe, expect, it } from 'vitest';
import { stateChanged } from '../../core/api/events.ts';
import { limits } from '../../core/limits.ts';
import { createStepped, RECORD, type Stepped } from './support/steps.ts';

/** What the bus is told of a migration. */
let s: Stepped;
beforeEach(async () => {
  s = await createStepped();
});

const told = () => s.cloud.events.emitted.map((event) => stateChanged.strict().parse(event));

describe('each state', () => {
  it('is told with its VMs, from when nothing is known of them', async () => {
    const body = { request_id: 'request-2', vms: ['web-1'], to: 'b/h2' as const };
    const { id: migration } = await s.cloud.call('createMigration', 'user', { body });
    const vms = [{ name: 'web-1', state: 'waiting' }];
    expect(told()).toMatchObject([{ migration, run: 1, state: 'requested', to: 'b/h2', vms }]);
  });

  it('of a gang of which one VM failed tells which is where, and why', async () => {
    await s.planned();
    for (const vm of RECORD.vmNames) await s.step({ step: 'decide', vm, round: 0 });
    const { epoch } = (await s.ownership('web-1'))!;
    await s.cloud.vms.commit('default', 'web-1', { migration: RECORD.id, to: 'b/h2', epoch });
    await s.step({ step: 'commit', vm: 'web-1' });
    const error = { Error: 'DISK_FULL', Cause: JSON.stringify({ code: 'DISK_FULL', message: 'b/h2 is full' }) };
    await s.step({ step: 'rollback-vm', vm: 'web-2', error });
    await s.step({ step: 'finish', round: 0 });
    expect(told().map(({ state }) => state)).toEqual(['preparing', 'seeding', 'moving', 'failed']);
    expect(told().at(-1)).toEqual({
      type: 'layermover.migration.state-changed',
      version: 1,
      namespace: 'default',
      migration: RECORD.id,
      run: 1,
      state: 'failed',
      to: 'b/h2',
      vms: [
        { name: 'web-2', state: 'rolled-back' },
        { name: 'web-1', state: 'committed' },
      ],
      error: { code: 'DISK_FULL', message: 'b/h2 is full' },
      atMs: expect.any(Number),
    });
  });

  it('that is told again after a crash is told alike', async () => {
    await s.step({ step: 'prepare' });
    await s.step({ step: 'prepare' });
    const [first, second] = told();
    expect({ ...second, vms: first?.vms }).toEqual(first);
  });
});

it('an event of the largest gang with the longest error fits an entry of the bus many times', async () => {
  const name = 'x'.repeat(limits.name_length_max);
  const longest = 'é'.repeat(limits.notes_characters_max);
  const vms = Array.from({ length: limits.gang_vms_max }, () => ({ name, state: 'rolled-back' }));
  const error = { code: name, message: longest, hint: longest };
  const event = { ...(await s.step({ step: 'prepare' }).then(() => told()[0])), vms, error };
  expect(Buffer.byteLength(JSON.stringify(event))).toBeLessThan(limits.state_payload_bytes_max);
});
