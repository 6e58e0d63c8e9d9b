import { readdirSync, rmSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { expectEqual } from '../agent/hosts.ts';
import { writeChain, writeLayer } from '../agent/support.ts';
import { layermover, Stage } from './command.ts';

/** Garbage collection on the embedded cloud: the deployed workflow and function, asked for by the command. */
const MiB = 1024 * 1024;
let stage: Stage;
let cloud: string;
const at = (...names: string[]) => path.join(stage.folder, ...names);

beforeAll(async () => {
  stage = await Stage.open();
  cloud = await stage.cloud();
  await mkdir(at('a-h1'));
  const [os] = await writeChain(at('a-h1'), [{ name: 'os.qcow2', patches: [{ at: 0, length: 2 * MiB, seed: 1 }] }]);
  for (const [name, seed] of [
    ['web-1.qcow2', 7],
    ['web-2.qcow2', 8],
  ] as const) {
    await writeLayer(at('a-h1'), { name, patches: [{ at: 3 * MiB, length: 256 * 1024, seed }] }, os);
  }
  for (const site of ['a', 'b', 'c']) await stage.agent(site, 'h1', cloud);
  expect((await call('migrate', 'web-1', '--to', 'b/h1', '--policy', 'kind')).code).toBe(0);
});
afterAll(() => stage.close());

const call = (...words: string[]) => layermover([...words, '--cloud', cloud, '--json']);

type Fates = Record<'needed' | 'waiting' | 'removed', { objects: number; bytes: number }>;

async function collect(...words: string[]): Promise<Record<'packs' | 'segments' | 'placements' | 'layers', Fates>> {
  const collected = await call('gc', ...words);
  expect(collected.code, collected.stderr).toBe(0);
  const last = collected.lines.at(-1) as { message_type: string; collection: { state: string; objects: never } };
  expect(last).toMatchObject({ message_type: 'collected', collection: { state: 'done' } });
  return last.collection.objects;
}

it('keeps what a layer needs, tells of what nothing needs, and a later migration relies on what was kept', async () => {
  const before = await collect('--dry-run');
  expect(before.packs.needed.objects).toBeGreaterThan(0);
  expect(before.packs.waiting.objects).toBe(0);

  const names = readdirSync(at('cloud'), { recursive: true, encoding: 'utf8' });
  expect(
    names.filter((name) => /default\.d\/garbage\.d\/.*\.o$/.test(name)),
    'nothing is left of the run itself',
  ).toEqual([]);
  const real = await collect();
  expect(real).toEqual(before);

  const moved = await call('migrate', 'web-2', '--to', 'c/h1', '--policy', 'kind');
  expect(moved.code, moved.stderr).toBe(0);
  const { vms } = moved.lines.at(-1) as { vms: { layers: { stored_bytes: number }[] }[] };
  expect(vms[0]!.layers[0]!.stored_bytes).toBe(0);
  await expectEqual(at('a-h1', 'web-2.qcow2'), at('c-h1', 'web-2.qcow2'));
  const checked = await call('index', 'rebuild', '--check');
  expect(checked.lines.at(-1)).toMatchObject({ damaged: 0, objects_removed: 0 });
});

it('removes nothing while a root is lost, and says what to do', async () => {
  const names = readdirSync(at('cloud'), { recursive: true, encoding: 'utf8' });
  const root = names.find((name) => /default\.d\/layers\.d\/.*\.o$/.test(name))!;
  rmSync(at('cloud', root));
  const failed = await call('gc');
  expect(failed.code).toBe(1);
  expect(failed.lines.at(-1)).toMatchObject({ message_type: 'error', error: { code: 'COLLECTION_UNSURE' } });
  expect((await call('index', 'rebuild', '--check')).code).toBe(0);
  // Its record went, so its segments and packs are garbage now, and wait.
  const waiting = await collect();
  expect(waiting.packs).toMatchObject({ needed: { objects: 0 } });
  expect(waiting.packs.waiting.objects).toBeGreaterThan(0);
  const shown = await layermover(['gc', '--dry-run', '--cloud', cloud]);
  expect(shown.stdout).toMatch(/waiting .* 8 days/);
});
