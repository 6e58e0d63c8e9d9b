import { mkdir, readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { MigrationView, VmView } from '../../core/api/views.ts';
import { layermover, qemuImg, qemuIo, Stage } from './command.ts';

/** The verbs as a user calls them, on chains that qemu-img made and qemu-img judges. */
let stage: Stage;
let cloud: string;
let a: string;
let b: string;

const CHAIN = ['os.qcow2', 'we.qcow2', 'web-1.qcow2'] as const;

/** Three layers, 64 KiB and 4 KiB clusters, zeros over data, clusters held in part, a disk that ends within a chunk. */
async function makeChain(folder: string): Promise<void> {
  const size = String(96 * 1024 * 1024 + 12_288);
  const at = (name: string) => path.join(folder, name);
  await qemuImg('create', '-q', '-f', 'qcow2', '-o', 'cluster_size=65536', at(CHAIN[0]), size);
  await qemuIo(at(CHAIN[0]), 'write -P 1 0 20M', 'write -P 2 32M 5M', 'write -P 3 100663296 12288');
  const over = (below: string, cluster: number) => ['-F', 'qcow2', '-b', below, '-o', `cluster_size=${cluster}`];
  await qemuImg('create', '-q', '-f', 'qcow2', ...over(CHAIN[0], 4096), at(CHAIN[1]));
  await qemuIo(at(CHAIN[1]), 'write -P 4 1M 4k', 'write -P 5 9M 3M', 'write -z 2M 1M', 'write -P 6 21M 8k');
  await qemuImg('create', '-q', '-f', 'qcow2', ...over(CHAIN[1], 65536), at(CHAIN[2]));
  await qemuIo(at(CHAIN[2]), 'write -P 7 4M 100k', 'write -z 33M 512k', 'write -P 8 40M 2M', 'write -z 70M 64k');
}

async function migrate(to: string, ...vms: string[]): Promise<VmView[]> {
  const { code, lines, stderr } = await layermover([
    'migrate',
    ...vms,
    '--to',
    to,
    '--policy',
    'kind',
    '--cloud',
    cloud,
    '--json',
  ]);
  expect(stderr).not.toContain('error');
  expect(code).toBe(0);
  const last = lines.at(-1) as { message_type: string; vms: VmView[] };
  expect(last.message_type).toBe('summary');
  return last.vms;
}

beforeAll(async () => {
  stage = await Stage.open();
  cloud = await stage.cloud();
  a = path.join(stage.folder, 'a-h1');
  await stage.agent('a', 'h0', cloud); // an idle host, so that the source isn't the only one that is asked
  await mkdir(a);
  await makeChain(a);
  await stage.agent('a', 'h1', cloud);
  b = await stage.agent('b', 'h2', cloud);
});

afterAll(() => stage.close());

describe('a plan', () => {
  it('tells what a move would take, twice the same, and moves nothing', async () => {
    const words = ['plan', 'web-1', '--to', 'b/h2', '--request-id', 'plan-by-hand', '--cloud', cloud];
    const { code, stdout } = await layermover([...words, '--explain']);
    expect(code).toBe(0);
    for (const told of [
      'os',
      'we',
      'ud',
      'all of it:',
      'on AWS, list prices of',
      'from a/h1:',
      'to the destination: 12.5 MB/s, assumed',
    ])
      expect(stdout).toContain(told);
    const again = await layermover([...words, '--json']);
    const last = again.lines.at(-1) as { message_type: string; migration: MigrationView };
    expect(last.message_type).toBe('plan');
    expect(last.migration).toMatchObject({ state: 'planned', vms: [{ state: 'waiting', wire_bytes: 0 }] });
    const { rates, dollars } = last.migration.forecast!;
    expect(rates[0]!.call.from).toBe('measured');
    expect(dollars).toBeGreaterThan(0);
    expect(await readdir(b)).toEqual(['.layermover']);
  });
});

describe('a chain made by qemu-img', () => {
  it('arrives equal, layer by layer, and is still a chain', async () => {
    const before = await Promise.all(CHAIN.map((name) => readFile(path.join(a, name))));
    const [vm] = await migrate('b/h2', 'web-1');
    expect(vm).toMatchObject({ name: 'web-1', equal: true, state: 'committed' });
    expect(vm!.layers.map((layer) => [layer.kind, layer.treatment])).toEqual([
      ['os', 'dedup'],
      ['we', 'dedup'],
      ['ud', 'direct'],
    ]);
    for (const name of CHAIN) {
      await qemuImg('check', '-q', path.join(b, name));
      await qemuImg('compare', '-q', path.join(a, name), path.join(b, name));
      const info = JSON.parse(await qemuImg('info', '--output=json', path.join(b, name))) as Record<string, unknown>;
      const source = JSON.parse(await qemuImg('info', '--output=json', path.join(a, name))) as Record<string, unknown>;
      for (const field of ['virtual-size', 'cluster-size', 'backing-filename', 'format'])
        expect(info[field], field).toEqual(source[field]);
    }
    expect((await readdir(b)).filter((name) => !name.startsWith('.')).sort()).toEqual([...CHAIN].sort());
    const after = await Promise.all(CHAIN.map((name) => readFile(path.join(a, name))));
    expect(after.every((bytes, at) => bytes.equals(before[at]!))).toBe(true);
  });

  it('is proven by receipts of both sides', async () => {
    const { lines } = await layermover(['list', '--cloud', cloud, '--json']);
    const { migration } = lines[0] as { migration: MigrationView };
    const receipt = await layermover(['receipt', migration.id, '--cloud', cloud, '--json']);
    expect(receipt.code).toBe(0);
    expect(receipt.lines[0]).toMatchObject({ message_type: 'receipts', vms: [{ vm: 'web-1', agree: true }] });
    const verified = await layermover(['verify', migration.id, '--images', b, '--cloud', cloud, '--json']);
    expect(verified.code).toBe(0);
    expect(verified.lines.map((line) => [line.name, line.equal])).toEqual(CHAIN.map((name) => [name, true]));
  });

  it('has a page that shows what was sent, and the proof', async () => {
    const { lines } = await layermover(['list', '--cloud', cloud, '--json']);
    const { migration } = lines[0] as { migration: MigrationView };
    const out = path.join(stage.folder, 'report.html');
    const words = ['report', migration.id, '--out', out, '--cloud', cloud];
    const { code, stderr } = await layermover(words);
    expect([code, stderr]).toEqual([0, `report: ${out}\n`]);
    const page = await readFile(out, 'utf8');
    for (const part of [...CHAIN, 'both sides agree', 'taken from the store']) expect(page).toContain(part);
  });

  it('is found out when somebody has changed it since', async () => {
    const { lines } = await layermover(['list', '--cloud', cloud, '--json']);
    const { migration } = lines[0] as { migration: MigrationView };
    await qemuIo(path.join(b, 'web-1.qcow2'), 'write -P 77 4M 512');
    const verified = await layermover(['verify', migration.id, '--images', b, '--cloud', cloud, '--json']);
    expect(verified.code).toBe(1);
    expect(verified.lines.map((line) => line.equal)).toEqual([true, true, false]);
  });

  it('sends nothing but user data the next time, and comes back without touching what is there', async () => {
    const old = await readFile(path.join(a, 'web-1.qcow2'));
    await qemuIo(path.join(b, 'web-1.qcow2'), 'write -P 9 50M 1M');
    const [vm] = await migrate('a/h1', 'web-1');
    expect(vm!.equal).toBe(true);
    expect(vm!.layers.map((layer) => layer.treatment)).toEqual(['skip', 'skip', 'direct']);
    expect(vm!.layers.slice(0, 2).map((layer) => layer.wire_bytes)).toEqual([0, 0]);
    const back = (await readdir(a)).find((name) => /^web-1-[0-9a-f]{8}\.qcow2$/.test(name));
    expect(back).toBeDefined();
    await qemuImg('compare', '-q', path.join(a, back!), path.join(b, 'web-1.qcow2'));
    expect((await readFile(path.join(a, 'web-1.qcow2'))).equals(old)).toBe(true);
  });

  it('goes to a third host out of the store: its bases are not read or sent again', async () => {
    const c = await stage.agent('c', 'h3', cloud);
    const [vm] = await migrate('c/h3', 'web-1');
    expect(vm!.equal).toBe(true);
    expect(vm!.layers.map((layer) => layer.treatment)).toEqual(['dedup', 'dedup', 'direct']);
    expect(vm!.layers.slice(0, 2).map((layer) => layer.wire_bytes)).toEqual([0, 0]);
    const { lines } = await layermover(['layer', 'list', '--cloud', cloud, '--json']);
    const layers = lines.map((line) => line.layer as { name: string; holders: string[] });
    expect(layers.find((layer) => layer.name === 'os.qcow2')?.holders.sort()).toEqual(['a/h1', 'b/h2', 'c/h3']);
    expect((await stat(path.join(c, 'os.qcow2'))).isFile()).toBe(true);
  });
});

describe('a request that can’t be served', () => {
  it.each([
    ['an unknown VM', ['migrate', 'nobody', '--to', 'b/h2'], 3, 'VM_UNKNOWN'],
    ['an unknown host', ['migrate', 'web-1', '--to', 'b/nowhere'], 3, 'HOST_UNKNOWN'],
    ['a VM that is there', ['migrate', 'web-1', '--to', 'c/h3'], 1, 'VM_ALREADY_THERE'],
    ['a destination that is none', ['migrate', 'web-1', '--to', 'nowhere'], 2, 'USAGE'],
    ['an unknown migration', ['status', 'm00000000000000000000'], 3, 'MIGRATION_UNKNOWN'],
  ])('%s: has its own exit code and a hint', async (_, words, code, error) => {
    const outcome = await layermover([...words, '--cloud', cloud, '--json']);
    expect(outcome.stdout).toContain(error);
    expect(outcome.code).toBe(code);
    expect(outcome.stderr).toContain('hint:');
  });

  it('no cloud: says where it looked', async () => {
    const outcome = await layermover(['list', '--cloud', path.join(stage.folder, 'none.json')]);
    expect(outcome.code).toBe(4);
    expect(outcome.stderr).toContain('none.json');
  });

  it('a host that is looked at by doctor: says what is good and what is not', async () => {
    const good = await layermover(['doctor', '--images', b, '--cloud', cloud, '--json']);
    expect(good.lines.find((line) => line.what === 'cloud')).toMatchObject({ verdict: 'good' });
    const bad = await layermover(['doctor', '--images', path.join(stage.folder, 'none'), '--cloud', cloud, '--json']);
    expect(bad.code).toBe(1);
    expect(bad.lines.find((line) => line.what === 'image folder')).toMatchObject({ verdict: 'lacking' });
  });

  it('wrong words: exit code 2', async () => {
    expect((await layermover(['migrate'])).code).toBe(2);
    expect((await layermover(['fly'])).code).toBe(2);
  });
});
