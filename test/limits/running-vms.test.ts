import { describe, expect, it } from 'vitest';
import { createManualClock } from '../../adapters/memory/manual-clock.ts';
import { BitmapTracker } from '../../agent/live/bitmap-tracker.ts';
import type { Qmp } from '../../agent/qemu/qmp.ts';
import { RamMigration } from '../../agent/qemu/ram.ts';
import { QmpSchema } from '../../agent/qemu/schema.ts';
import { disksAtOnce } from '../../agent/tasks/send-round.ts';
import { limits } from '../../core/limits.ts';
import { keptLog } from '../agent/support.ts';

const never = new AbortController().signal;

/** A QEMU that answers by a table; what is not in it answers nothing at all. */
function scripted(answers: Readonly<Record<string, unknown>>) {
  const asked: [string, Readonly<Record<string, unknown>>][] = [];
  const qmp = {
    ended: never,
    execute: (command: string, args: Readonly<Record<string, unknown>> = {}, { signal = never } = {}) => {
      asked.push([command, args]);
      if (command in answers) return Promise.resolve(answers[command]);
      return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    },
    events: () => ({
      next: (signal: AbortSignal) =>
        new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
      close: () => undefined,
    }),
  };
  return { qmp: qmp as unknown as Qmp, asked };
}

describe('a running VM of several disks', () => {
  it('has them tracked from one moment on', async () => {
    const { qmp, asked } = scripted({
      'query-block-exports': [],
      'query-block': [],
      'nbd-server-start': {},
      transaction: {},
    });
    const about = { qmp, clock: createManualClock(), log: keptLog(), socket: '/s' };
    await BitmapTracker.begin({ ...about, nodes: ['n0', 'n1'], granularity: 65_536 }, never);
    const [[, { actions }], ...others] = asked.filter(([command]) => command === 'transaction') as [
      [string, { actions: { data: { node: string } }[] }],
    ];
    expect(actions.map(({ data }) => data.node)).toEqual(['n0', 'n1']);
    expect(others).toEqual([]);
  });

  it('has disks_at_once of them sent at the same time while little is left, else one', async () => {
    const session = (hasAll: boolean, left: number) => ({
      ...{ disks: Array(8).fill({}), hasAll },
      remainingBytes: async () => left,
    });
    const of = (hasAll: boolean, left: number) => disksAtOnce(session(hasAll, left) as never, never);
    expect(await of(true, limits.pack_raw_bytes_max)).toBe(limits.disks_at_once);
    expect(await of(true, limits.pack_raw_bytes_max + 1)).toBe(1);
    expect(await of(false, 0)).toBe(1);
  });
});

describe('a running VM', () => {
  it('has live_cleanup_ms to let go of its disk: nobody waits for ever', async () => {
    const clock = createManualClock();
    const { qmp } = scripted({ 'query-block-exports': [], 'query-block': [], 'nbd-server-start': {}, transaction: {} });
    const options = {
      qmp,
      clock,
      log: keptLog(),
      nodes: ['n'],
      socket: '/s',
      granularity: limits.bitmap_granularity_bytes_max,
    };
    const tracker = await BitmapTracker.begin(options, never);
    const ended = expect(tracker.end()).rejects.toMatchObject({ code: 'QMP_TIMEOUT' });
    await clock.advance(limits.live_cleanup_ms);
    await ended;
  });

  it('sends its memory as fast as ram_bytes_per_second_max, and has gone within ram_switchover_ms_max', async () => {
    const clock = createManualClock();
    const { qmp, asked } = scripted({
      'query-migrate-capabilities': [{ capability: 'events', state: false }],
      'query-migrate-parameters': { 'downtime-limit': 1, 'max-bandwidth': 2 },
      'migrate-set-capabilities': {},
      'migrate-set-parameters': {},
      'query-migrate': { status: 'active' },
      migrate: {},
      'migrate-continue': {},
      migrate_cancel: {},
    });
    const ram = await RamMigration.begin(qmp, { uri: 'tcp:x:1', maxDowntimeMs: 300, clock }, never);
    const fast = { 'downtime-limit': 300, 'max-bandwidth': limits.ram_bytes_per_second_max };
    expect(asked).toContainEqual(['migrate-set-parameters', fast]);
    const going = expect(ram.goOn()).rejects.toMatchObject({ code: 'QMP_TIMEOUT' });
    await clock.advance(limits.ram_switchover_ms_max);
    await going;
    // It is looked at every ram_look_ms whether it has ended.
    const cancelled = expect(ram.cancel()).rejects.toMatchObject({ code: 'QMP_TIMEOUT' });
    await clock.advance(limits.live_cleanup_ms);
    await cancelled;
    const looks = asked.filter(([command]) => command === 'query-migrate').length;
    expect(looks).toBeGreaterThan(limits.live_cleanup_ms / limits.ram_look_ms / 2);
  });

  it('has its memory gone through ram_passes_max times until little enough of it is left', async () => {
    const answers = {
      'query-migrate-capabilities': [],
      'query-migrate-parameters': { 'downtime-limit': 1, 'max-bandwidth': 2 },
      'migrate-set-capabilities': {},
      'migrate-set-parameters': {},
      'query-migrate': { status: 'active', ram: { remaining: 1, 'dirty-sync-count': limits.ram_passes_max } },
      migrate: {},
    };
    const clock = createManualClock();
    const ram = await RamMigration.begin(scripted(answers).qmp, { uri: 'tcp:x:1', maxDowntimeMs: 300, clock }, never);
    expect(await ram.leftMs(never)).toBe(0);
    answers['query-migrate'].ram['dirty-sync-count'] += 1;
    await expect(ram.leftMs(never)).rejects.toMatchObject({ code: 'NO_CONVERGENCE' });
  });

  it('tells a schema of qmp_schema_entries_max at the most', () => {
    const entry = { name: 'x', 'meta-type': 'command' };
    const entries = Array.from({ length: limits.qmp_schema_entries_max }, () => entry);
    expect(QmpSchema.parse(entries).hasCommand('x')).toBe(true);
    expect(() => QmpSchema.parse([...entries, entry])).toThrow(expect.objectContaining({ code: 'QMP_REFUSED' }));
  });

  it('is stopped no longer than pause_ms_max for nothing, which a round of cutover_small_bytes does not reach', () => {
    expect((1000 * limits.cutover_small_bytes) / limits.rate_bytes_per_second_min).toBeLessThan(
      4 * limits.pause_ms_max,
    );
  });
});
