import { randomUUID } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { NAMESPACE_HEADER } from '../../core/api/names.ts';
import type { VmView } from '../../core/api/views.ts';
import { signedFetch } from '../signed-fetch.ts';
import { layermover } from '../slow/command.ts';
import type { AgentProcess } from './agent-process.ts';
import { compare, makeLayers, qemuImg } from './chain.ts';
import { untilEnded } from './migrations.ts';
import { keyOf } from './services.ts';
import { Stage } from './stage.ts';

/** Two VMs over one operating system, moved by the command and by a signed request, and judged by qemu-img. */
let stage: Stage;
let a: AgentProcess;
let b: AgentProcess;
let c: AgentProcess;

const WEB = ['os.qcow2', 'we.qcow2', 'web-1.qcow2'];
const DB = ['os.qcow2', 'db-1.qcow2'];

beforeAll(async () => {
  stage = await Stage.open();
  [a, b, c] = [await stage.host('a', 'h1'), await stage.host('b', 'h2'), await stage.host('c', 'h3')];
  await makeLayers(a.images, [
    { name: 'os.qcow2', at: 0, megabytes: 12 },
    { name: 'we.qcow2', over: 'os.qcow2', at: 100, megabytes: 6 },
    { name: 'web-1.qcow2', over: 'we.qcow2', at: 200, megabytes: 6 },
    { name: 'db-1.qcow2', over: 'os.qcow2', at: 200, megabytes: 6 },
  ]);
  await Promise.all([a, b, c].map((each) => each.start()));
});
afterAll(() => stage.close());

function treatments({ layers }: VmView) {
  return layers.map(({ kind, treatment }) => [kind, treatment]);
}

async function expectArrived(names: readonly string[], at: AgentProcess): Promise<void> {
  for (const name of names) await compare(path.join(a.images, name), path.join(at.images, name));
}

it('a VM of three layers arrives equal by the command: bases by way of the index, user data straight', async () => {
  const before = await readFile(path.join(a.images, 'web-1.qcow2'));
  const { code, lines, stderr } = await layermover([
    'migrate',
    'web-1',
    '--to',
    b.ref,
    '--policy',
    'kind',
    '--cloud',
    stage.file,
    '--json',
  ]);
  expect(stderr).not.toContain('error');
  expect(code).toBe(0);
  const [vm] = lines.at(-1)!.vms as VmView[];
  expect(vm).toMatchObject({ name: 'web-1', state: 'committed', equal: true });
  expect(treatments(vm!)).toEqual([
    ['os', 'dedup'],
    ['we', 'dedup'],
    ['ud', 'direct'],
  ]);
  await expectArrived(WEB, b);
  expect((await readFile(path.join(a.images, 'web-1.qcow2'))).equals(before)).toBe(true);
});

/** Asks for a migration as a client of somebody else's does; answers its id. */
async function post(body: string): Promise<string> {
  const { api_url: url, region, namespace } = stage.cloud;
  const headers = { 'content-type': 'application/json', [NAMESPACE_HEADER]: namespace };
  const call = { method: 'POST', headers, body, region };
  const answer = await signedFetch(await keyOf(stage.cloud), `${url}/migrations`, call);
  expect(answer.ok, await answer.clone().text()).toBe(true);
  return ((await answer.json()) as { id: string }).id;
}

it('a second one skips what the destination has, by a signed request that may come twice', async () => {
  const body = JSON.stringify({ request_id: randomUUID(), vms: ['db-1'], to: b.ref });
  const id = await post(body);
  expect(await post(body)).toBe(id);
  const { state, vms } = await untilEnded(stage.api, id);
  expect(state).toBe('committed');
  expect(vms[0]).toMatchObject({ name: 'db-1', equal: true });
  expect(treatments(vms[0]!)).toEqual([
    ['os', 'skip'],
    ['ud', 'direct'],
  ]);
  await expectArrived(DB, b);
  expect((await readdir(b.images)).filter((name) => !name.startsWith('.')).sort()).toEqual(
    [...new Set([...WEB, ...DB])].sort(),
  );
});

it('a third host gets bases out of the store: none is sent again', async () => {
  const body = { request_id: randomUUID(), vms: ['web-1'], to: c.ref as `${string}/${string}` };
  const { id } = await stage.api.call('createMigration', { body });
  const { state, vms } = await untilEnded(stage.api, id);
  expect(state).toBe('committed');
  expect(vms[0]!.layers.map(({ wire_bytes }) => wire_bytes === 0)).toEqual([true, true, false]);
  await expectArrived(WEB, c);
});

it('a disk without layers is told which base of the store it could lie on', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'layermover-flat-'));
  try {
    const flat = path.join(folder, 'flat.qcow2');
    await qemuImg('convert', '-O', 'qcow2', path.join(a.images, 'web-1.qcow2'), flat);
    const { code, lines } = await layermover(['layer', 'suggest', flat, '--cloud', stage.file, '--json']);
    expect(code).toBe(0);
    const candidates = lines.at(-1)!.candidates as { name: string; share: number; holders: string[] }[];
    expect(candidates.map(({ name }) => name)).toEqual(['we.qcow2', 'os.qcow2']);
    expect(candidates[0]!.share).toBeCloseTo(18 / 24, 1);
    expect(candidates[1]!.share).toBeCloseTo(12 / 24, 1);
    expect(candidates[0]!.holders).toContain(b.ref);
  } finally {
    await rm(folder, { recursive: true });
  }
});

it('both sides’ receipts prove it', async () => {
  const { migrations } = await stage.api.call('listMigrations');
  expect(migrations.map(({ state }) => state)).toEqual(['committed', 'committed', 'committed']);
  for (const { id } of migrations) {
    const { vms } = await stage.api.call('getReceipts', { params: { migration: id } });
    expect(vms.map(({ agree }) => agree)).toEqual([true]);
  }
});
