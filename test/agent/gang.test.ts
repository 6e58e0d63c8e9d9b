import { describe, expect, it } from 'vitest';
import { outcomeOf } from '../../bin/output/forecast.ts';
import { expectEqual, twoHosts } from './hosts.ts';
import { migrate } from './play.ts';
import { MiB } from './scan-support.ts';
import { writeChain } from './support.ts';

/** Two VMs on two hosts, whose disks lie on the same operating system and environment, move to a third host as one. */
const OS_BYTES = 3 * MiB;
const WE_BYTES = 2 * MiB;
const TOP_BYTES = MiB;
const DISK_BYTES = 8 * MiB;

const hosts = twoHosts();

async function chainAt(site: 'a' | 'c', vm: string, seed: number): Promise<void> {
  const layers = [
    { name: 'os.qcow2', patches: [{ at: 0, length: OS_BYTES, seed: 1 }] },
    { name: 'we.qcow2', patches: [{ at: OS_BYTES, length: WE_BYTES, seed: 2 }] },
    { name: `${vm}.qcow2`, patches: [{ at: OS_BYTES + WE_BYTES, length: TOP_BYTES, seed }] },
  ];
  await writeChain(hosts.at(site), layers, DISK_BYTES);
}

async function begin() {
  await chainAt('a', 'web-1', 11);
  await chainAt('c', 'web-2', 12);
  for (const site of ['a', 'b', 'c'] as const) await hosts.start(site);
}

/** What a host's agent was asked to push, by name of the files. */
async function pushedBy(migration: string, host: string): Promise<string[]> {
  const task = await hosts.cloud().ports.tasks.find(`${migration}.seed.${host.replace('/', '.')}`);
  return task?.input.kind === 'seed' ? task.input.layers.map(({ layer }) => layer.name) : [];
}

describe('a gang whose VMs are on two hosts', () => {
  it('sends each shared layer once, each host its share, and arrives equal', async () => {
    await begin();
    const { id, ended } = await migrate(hosts.cloud(), { vms: ['web-1', 'web-2'], to: 'b/h1', policy: 'kind' });
    const moved = await ended;
    expect(moved).toMatchObject({ state: 'committed', vms: [{ equal: true }, { equal: true }] });
    expect([await pushedBy(id, 'a/h1'), await pushedBy(id, 'c/h1')].sort()).toEqual([['os.qcow2'], ['we.qcow2']]);
    const packs = await hosts.cloud().ports.objects.sizes('ns/default/packs/', 100);
    const stored = packs.reduce((sum, { bytes }) => sum + bytes, 0);
    expect(stored).toBeGreaterThan(0.4 * (OS_BYTES + WE_BYTES));
    expect(stored).toBeLessThan(1.01 * (OS_BYTES + WE_BYTES));
    await expectEqual(hosts.at('a', 'web-1.qcow2'), hosts.at('b', 'web-1.qcow2'));
    await expectEqual(hosts.at('c', 'web-2.qcow2'), hosts.at('b', 'web-2.qcow2'));
  });

  it('is forecast in bytes, and so is what it saves', async () => {
    await begin();
    const { ended } = await migrate(hosts.cloud(), { vms: ['web-1', 'web-2'], to: 'b/h1' });
    const moved = await ended;
    const { expected, was } = outcomeOf(moved)!;
    expect(Math.abs(expected.wireBytes / was.wireBytes - 1)).toBeLessThan(0.15);
    const bases = moved.vms[0]!.layers.slice(0, 2).reduce((sum, { wire_bytes }) => sum + wire_bytes, 0);
    const saved = moved.forecast!.each_alone.wire_bytes - moved.forecast!.wire_bytes;
    expect(Math.abs(saved / bases - 1)).toBeLessThan(0.15);
  });
});
