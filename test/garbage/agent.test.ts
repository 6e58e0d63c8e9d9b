import { beforeEach, describe, expect, it, vi } from 'vitest';
import { limits } from '../../core/limits.ts';
import { expectEqual, twoHosts } from '../agent/hosts.ts';
import { migrate } from '../agent/play.ts';
import { hastyClock, writeChain } from '../agent/support.ts';
import { expectKept } from '../rebuild/support.ts';

/** What an agent relied on turns out to be leaving the store, so many times. */
const hosts = twoHosts();

beforeEach(async () => {
  await writeChain(hosts.at('a'), [
    { name: 'os.qcow2', patches: [{ at: 0, length: 256 * 1024, seed: 1 }] },
    { name: 'web-1.qcow2', patches: [{ at: 1024 * 1024, length: 64 * 1024, seed: 2 }] },
  ]);
  for (const site of ['a', 'b'] as const) await hosts.start(site);
});

/** Rounds are refused while `times` lasts. Answers how many were. */
function refuseRounds(times: number): { count: number } {
  const { idle } = hosts.cloud().ports;
  const { find } = idle;
  const refused = { count: 0 };
  idle.find = async (namespace, kind, ids) => {
    if (kind !== 'segments' || ids.length === 0 || refused.count >= times) return await find(namespace, kind, ids);
    refused.count++;
    return new Map([[ids[0]!, { sinceMs: 1, removedMs: Date.now() }]]);
  };
  return refused;
}

describe('an agent whose round is refused for what is being removed', () => {
  async function move() {
    return (await migrate(hosts.cloud(), { vms: ['web-1'], to: 'b/h1', chunk_bytes: 16 * 1024 })).ended;
  }

  it('waits until the removal is over and sends the layer once more', async () => {
    const sleep = vi.spyOn(hastyClock, 'sleep');
    const refused = refuseRounds(limits.leaving_attempts_max - 1);
    const ended = await move();
    expect(refused.count).toBe(limits.leaving_attempts_max - 1);
    expect(ended.state, JSON.stringify(ended.error)).toBe('committed');
    const waits = sleep.mock.calls.filter(([ms]) => ms === limits.leaving_wait_ms);
    expect(waits).toHaveLength(limits.leaving_attempts_max - 1);
    await expectEqual(hosts.at('a', 'web-1.qcow2'), hosts.at('b', 'web-1.qcow2'));
    await expectKept(hosts.cloud().ports);
  });

  it('gives up after so many attempts: the migration fails, and can be resumed', async () => {
    const refused = refuseRounds(1000);
    const ended = await move();
    expect(refused.count).toBe(limits.leaving_attempts_max);
    expect(ended).toMatchObject({ state: 'failed', error: { code: 'OBJECT_LEAVING' } });
  });
});
