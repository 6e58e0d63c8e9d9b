import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Service, startService } from '../../bin/demo/process.ts';
import type { VmView } from '../../core/api/views.ts';
import { expectEqual } from '../agent/hosts.ts';
import { writeChain, writeLayer } from '../agent/support.ts';
import { flip } from '../corruption/damage.ts';
import { Random } from '../fuzz/random.ts';
import { layermover, Stage } from './command.ts';

/** Damage to the embedded cloud's own files, found and mended by the command. */
const MiB = 1024 * 1024;
const SEED = Number(process.env.CORRUPTION_SEED ?? 20_261);
let stage: Stage;
let service: Service;
let cloud: string;
const at = (...names: string[]) => path.join(stage.folder, ...names);

async function startCloud(): Promise<void> {
  service = await startService(['cloud', 'start', '--data', at('cloud')], at('cloud.log'));
  cloud = String(service.ready.cloud_file);
}

beforeAll(async () => {
  stage = await Stage.open();
  await startCloud();
  await mkdir(at('a-h1'));
  const [os] = await writeChain(at('a-h1'), [{ name: 'os.qcow2', patches: [{ at: 0, length: 2 * MiB, seed: 1 }] }]);
  for (const [name, seed] of [
    ['web-1.qcow2', 7],
    ['web-2.qcow2', 8],
    ['web-3.qcow2', 9],
  ] as const) {
    await writeLayer(at('a-h1'), { name, patches: [{ at: 3 * MiB, length: 256 * 1024, seed }] }, os);
  }
  for (const site of ['a', 'b', 'c']) await stage.agent(site, 'h1', cloud);
  expect((await migrate('web-1', 'b/h1')).code).toBe(0);
});
afterAll(async () => {
  await stage.close();
  await service.stop();
});

const call = (...words: string[]) => layermover([...words, '--cloud', cloud, '--json']);
const migrate = (vm: string, to: string) => call('migrate', vm, '--to', to, '--policy', 'kind');

/** Files of the bucket's objects of one kind. */
async function objectFiles(kind: string): Promise<string[]> {
  const names = await readdir(at('cloud'), { recursive: true });
  const found = names.filter((name) => name.includes(`default.d/${kind}.d/`) && name.endsWith('.o'));
  return found.map((name) => at('cloud', name)).sort();
}

function basesSent(lines: readonly Record<string, unknown>[]): number {
  const { vms } = lines.at(-1) as { vms: VmView[] };
  return vms[0]!.layers.slice(0, -1).reduce((sum, layer) => sum + layer.stored_bytes, 0);
}

describe(`the embedded cloud, seed ${SEED}`, () => {
  it('a flipped bit in every pack: is named, taken out, sent anew by resume', async () => {
    const random = new Random(SEED);
    for (const file of await objectFiles('packs')) {
      const bytes = await readFile(file);
      await writeFile(file, flip(bytes, random.below(8 * (bytes.length >> 1))));
    }
    const failed = await migrate('web-2', 'c/h1');
    expect(failed.code).toBe(1);
    const { migration, error } = failed.lines.findLast((line) => line.message_type === 'summary') as {
      migration: string;
      error: { code: string; message: string; data: object };
    };
    expect(error.code).toBe('FRAME_CORRUPT');
    expect(error.data).toMatchObject({ layer: 'os.qcow2', chunk: expect.any(Number) });
    expect(failed.stderr).toContain('layermover index rebuild --check');

    const rebuilt = await call('index', 'rebuild', '--check');
    expect(rebuilt.code, rebuilt.stderr).toBe(0);
    expect(rebuilt.lines.at(-1)).toMatchObject({ message_type: 'rebuilt', layers_incomplete: 1 });
    expect(rebuilt.lines.filter((line) => line.message_type === 'damaged')).not.toEqual([]);

    const resumed = await call('resume', migration);
    expect(resumed.code, resumed.stderr).toBe(0);
    await expectEqual(at('a-h1', 'web-2.qcow2'), at('c-h1', 'web-2.qcow2'));
    expect(basesSent(resumed.lines)).toBeGreaterThan(2 * MiB);
    const again = await call('index', 'rebuild', '--check');
    expect(again.lines.at(-1)).toMatchObject({ damaged: 0, objects_removed: 0, rows_written: 0 });
  });

  it('lost its tables: a rebuild makes the index again, and a known base sends nothing', async () => {
    await service.stop();
    const folders = await readdir(at('cloud'));
    const tables = folders.find((name) => /dynamo|tables/.test(name));
    expect(tables, folders.join(' ')).toBeDefined();
    await rm(at('cloud', tables!), { recursive: true });
    await startCloud();
    const rebuilt = await call('index', 'rebuild');
    expect(rebuilt.lines.at(-1), rebuilt.stderr).toMatchObject({ layers_complete: 1, layers_incomplete: 0 });
    expect(Number(rebuilt.lines.at(-1)?.rows_written)).toBeGreaterThan(0);
    await expect.poll(async () => (await call('host', 'list')).lines.length, { timeout: 30_000 }).toBe(3);
    await stage.agent('d', 'h1', cloud);
    const moved = await migrate('web-3', 'd/h1');
    expect(moved.code, moved.stderr).toBe(0);
    expect(basesSent(moved.lines)).toBe(0);
    await expectEqual(at('a-h1', 'web-3.qcow2'), at('d-h1', 'web-3.qcow2'));
  });
});
