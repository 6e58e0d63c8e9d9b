import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { systemFiles } from '../../adapters/system/files.ts';
import { systemProcesses } from '../../adapters/system/processes.ts';
import { systemRandom } from '../../adapters/system/random.ts';
import { openState } from '../../agent/daemon/state.ts';
import type { MigrationView } from '../../core/api/views.ts';
import { expectEqual, twoHosts } from '../agent/hosts.ts';
import { migrate } from '../agent/play.ts';
import { filesIn, writeChain, writeLayer } from '../agent/support.ts';
import { Random } from '../fuzz/random.ts';
import { DAMAGES, SEED } from './damage.ts';

const WORLD = { files: systemFiles, processes: systemProcesses, random: systemRandom };

/** What agents keep in their state folders, damaged while they are away. */
const hosts = twoHosts();
const KiB = 1024;

beforeEach(async () => {
  const [os] = await writeChain(hosts.at('a'), [
    { name: 'os.qcow2', patches: [{ at: 0, length: 256 * KiB, seed: 1 }] },
  ]);
  for (const [name, seed] of [
    ['web-1.qcow2', 7],
    ['web-2.qcow2', 8],
  ] as const) {
    await writeLayer(hosts.at('a'), { name, patches: [{ at: 512 * KiB, length: 128 * KiB, seed }] }, os);
  }
  const agents = [await hosts.start('a'), await hosts.start('b')];
  expect((await move('web-1', 'b')).state).toBe('committed');
  for (const agent of agents) await agent.stop();
});

async function move(vm: string, to: 'b' | 'c'): Promise<MigrationView> {
  const { ended } = await migrate(hosts.cloud(), { vms: [vm], to: `${to}/h1`, chunk_bytes: 16 * KiB, policy: 'dedup' });
  return ended;
}

/** Nothing is stored, so that who has a layer must send it. */
async function emptyStore(): Promise<void> {
  const { objects, layers } = hosts.cloud().ports;
  for (const { layerId } of await layers.list('default', 99)) await layers.erase('default', layerId);
  await objects.remove(await objects.list('ns/', 9999));
}

function stateFiles(site: string, ending: string): string[] {
  const state = hosts.at(site, '.layermover');
  const names = readdirSync(state, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith(ending));
  return names.map((name) => path.join(state, name)).sort();
}

describe(`seed ${SEED}`, () => {
  it('records: a damaged one is named by its file and nothing is begun', async () => {
    let files = 0;
    for (const site of ['a', 'b']) {
      const all = stateFiles(site, '.json');
      for (const file of all) {
        files++;
        const whole = readFileSync(file);
        const other = all.find((each) => each !== file && path.dirname(each) === path.dirname(file));
        for (const [at, damage] of DAMAGES.entries()) {
          const random = new Random(SEED, files * DAMAGES.length + at);
          for (let round = 0; round < 6; round++) {
            const damaged = damage.apply(whole, random, other === undefined ? Buffer.from('{}') : readFileSync(other));
            writeFileSync(file, damaged);
            const about = `seed ${SEED}, ${file}, ${damage.name}: ${damaged}`;
            const opened = openState(WORLD, hosts.at(site), hosts.at(site, '.layermover'));
            // Bytes between the tokens of JSON mean nothing.
            if (isSame(damaged, whole)) await opened;
            else await expect(opened, about).rejects.toMatchObject({ code: 'STATE_CORRUPT', data: { path: file } });
          }
        }
        writeFileSync(file, whole);
      }
    }
    expect(files).toBeGreaterThan(3);
  });

  it.each(['root', 'segments'])(
    'a manifest’s %s: is made again, or named and made again by the next run',
    async (name) => {
      const random = new Random(SEED, 1000);
      const before = filesIn(hosts.at('a'));
      await emptyStore();
      for (const file of stateFiles('a', `/${name}`)) {
        const whole = readFileSync(file);
        // A slot is mostly a hole, which means nothing; its first bytes are the segment's head.
        const used = name === 'root' ? whole : whole.subarray(0, 8);
        writeFileSync(file, Buffer.concat([DAMAGES[0]!.apply(used, random, whole), whole.subarray(used.length)]));
      }
      for (const site of ['a', 'c'] as const) await hosts.start(site);
      const moved = await move('web-2', 'c');
      expect(moved.state, `seed ${SEED}`).toBe(name === 'root' ? 'committed' : 'failed');
      if (name === 'segments') {
        expect(moved.error).toMatchObject({ code: 'MANIFEST_CORRUPT', data: { layer: 'os.qcow2', chunk: 0 } });
        // Its agent hears of the end with its next poll.
        await expect.poll(() => filesIn(hosts.at('c')), { timeout: 20_000 }).toEqual([]);
        expect((await move('web-2', 'c')).state).toBe('committed');
      }
      await expectEqual(hosts.at('a', 'web-2.qcow2'), hosts.at('c', 'web-2.qcow2'));
      expect(filesIn(hosts.at('a'))).toEqual(before);
    },
  );
});

function isSame(a: Buffer, b: Buffer): boolean {
  try {
    return JSON.stringify(JSON.parse(`${a}`)) === JSON.stringify(JSON.parse(`${b}`));
  } catch {
    return false;
  }
}
