import { randomUUID } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ApiClient } from '../../../adapters/api/client.ts';
import { layermover } from '../../slow/command.ts';
import { AgentProcess } from '../agent-process.ts';
import { compare, makeLayers } from '../chain.ts';
import { PlayedAgent } from './played-agent.ts';
import { type BoundHost, IamStage } from './stage.ts';

/** Who may call what, where signatures and policies are enforced: hosts with roles of their own and the policy that `host enrol` prints. */
let iam: IamStage;
let h1: BoundHost;
let h2: BoundHost;
/** May call the whole API, so that only the functions stand between it and what is not its own. */
let wide: BoundHost;

beforeAll(async () => {
  iam = await IamStage.open();
  h1 = await iam.bind('a', 'h1');
  h2 = await iam.bind('b', 'h2');
  const all = { Effect: 'Allow', Action: 'execute-api:Invoke', Resource: '*' };
  wide = await iam.bind('c', 'h3', { Version: '2012-10-17', Statement: [all] });
});
afterAll(() => iam.close());

const enrolment = { version: '1', vms: [], free_bytes: 1, layers: [] };
const polling = { instance: '1'.repeat(32), free_bytes: 1, running: [], following: [], awaiting: [] };
const at = (site: string, host: string) => ({ params: { site, host } });

/** `ok`, or the code that a call is refused with. */
async function outcome(asked: Promise<unknown>): Promise<string> {
  return await asked.then(
    () => 'ok',
    (error: { code?: string }) => error.code ?? String(error),
  );
}

it('moves a VM between two hosts whose roles may do what was printed, and nothing else', async () => {
  const folders = [path.join(iam.stage.folder, 'images-1'), path.join(iam.stage.folder, 'images-2')] as const;
  for (const folder of folders) await mkdir(folder);
  await makeLayers(folders[0], [
    { name: 'os.qcow2', at: 0, megabytes: 4 },
    { name: 'web-1.qcow2', over: 'os.qcow2', at: 100, megabytes: 2 },
  ]);
  const agents = [
    new AgentProcess({ site: 'a', host: 'h1', images: folders[0], cloudFile: await iam.fileOf(h1, 'one') }),
    new AgentProcess({ site: 'b', host: 'h2', images: folders[1], cloudFile: await iam.fileOf(h2, 'two') }),
  ];
  try {
    for (const agent of agents) await agent.start();
    const moved = await layermover(['migrate', 'web-1', '--to', 'b/h2', '--cloud', iam.stage.file, '--json']);
    expect(moved.code, moved.stderr).toBe(0);
    for (const name of ['os.qcow2', 'web-1.qcow2'])
      await compare(path.join(folders[0], name), path.join(folders[1], name));
  } finally {
    for (const agent of agents) await agent.stop();
  }
});

describe('refused at the gateway', () => {
  const list = (api: ApiClient) => outcome(api.call('listMigrations', {}));

  it('a call that nobody signed, a wrong signature, a key that nobody has, a session without its token', async () => {
    expect((await fetch(`${iam.stage.cloud.api_url}/migrations`)).status).toBe(403);
    const keys = await iam.account.session(wide.role, 'keys');
    expect(await list(iam.client(keys))).toBe('ok');
    expect(await list(iam.client({ ...keys, secretAccessKey: 'wrong' }))).toBe('CALLER_REFUSED');
    expect(await list(iam.client({ ...keys, accessKeyId: 'ASIANOBODY0000000000' }))).toBe('CALLER_REFUSED');
    expect(await list(iam.client({ ...keys, sessionToken: 'another' }))).toBe('CALLER_REFUSED');
    const { sessionToken: _, ...tokenless } = keys;
    expect(await list(iam.client(tokenless))).toBe('CALLER_REFUSED');
  });

  it('a host that asks for what its policy has not', async () => {
    const api = await h1.api('asks');
    const request = { request_id: randomUUID(), vms: ['web-1'], to: h1.ref };
    const params = { migration: `m${'0'.repeat(20)}` };
    for (const [what, asked] of Object.entries({
      'another’s enrolment': () => api.call('enrolHost', { ...at('b', 'h2'), body: enrolment }),
      'another’s poll': () => api.call('poll', { ...at('b', 'h2'), body: polling }),
      'its own identity': () => api.call('bindHost', { ...at('a', 'h1'), body: { identity: h2.role } }),
      hosts: () => api.call('listHosts', {}),
      migrations: () => api.call('listMigrations', {}),
      'a migration': () => api.call('createMigration', { body: request }),
      'an abort': () => api.call('abortMigration', { params }),
      layers: () => api.call('listLayers', {}),
      'a garbage collection': () => api.call('collectGarbage', { body: { id: `g${'0'.repeat(20)}` } }),
      'a rebuild': () => api.call('rebuildIndex', { body: { phase: 'packs', check: false } }),
    }))
      expect(await outcome(asked()), what).toBe('CALLER_REFUSED');
  });
});

describe('refused by the functions', () => {
  it('another host’s name, whatever the policy allows, in every session; its own is granted', async () => {
    const api = await wide.api('first');
    expect(await outcome(api.call('enrolHost', { ...at('c', 'h3'), body: enrolment }))).toBe('ok');
    const again = await wide.api('second');
    expect(await outcome(again.call('poll', { ...at('c', 'h3'), body: polling }))).toBe('ok');
    expect(await outcome(again.call('poll', { ...at('b', 'h2'), body: polling }))).toBe('CALLER_REFUSED');
    expect(await outcome(again.call('enrolHost', { ...at('d', 'free'), body: enrolment }))).toBe('CALLER_REFUSED');
    expect(await outcome(again.call('bindHost', { ...at('d', 'free'), body: { identity: h1.role } }))).toBe(
      'CALLER_REFUSED',
    );
  });

  it('a garbage collection, whatever the policy allows', async () => {
    const api = await wide.api('collects');
    const body = { id: `g${'0'.repeat(20)}` };
    expect(await outcome(api.call('collectGarbage', { body }))).toBe('CALLER_REFUSED');
  });

  it('another namespace', async () => {
    const elsewhere = await wide.api('elsewhere', 'another');
    expect(await outcome(elsewhere.call('enrolHost', { ...at('c', 'h3'), body: enrolment }))).toBe('CALLER_REFUSED');
    expect(await outcome(elsewhere.call('listMigrations', {}))).toBe('CALLER_REFUSED');
    expect(await outcome(elsewhere.call('listLayers', {}))).toBe('CALLER_REFUSED');
  });

  it('another host’s task, and no attempt of it is lost', async () => {
    const played = new PlayedAgent(await h1.api('played'), 'a', 'h1');
    await played.enrol('db-1');
    const { id } = await iam.stage.api.call('createMigration', {
      body: { request_id: randomUUID(), vms: ['db-1'], to: h2.ref },
    });
    const { id: task, attempt } = await played.task('survey');
    const thief = await wide.api('thief');
    const failed = { status: 'failed' as const, error: { code: 'STOLEN', message: 'by another host' } };
    const params = { task };
    expect(await outcome(thief.call('grant', { params, body: { attempt } }))).toBe('CALLER_REFUSED');
    expect(await outcome(thief.call('reportTask', { params, body: { attempt, outcome: failed } }))).toBe(
      'CALLER_REFUSED',
    );
    expect(await outcome(thief.call('checkFingerprints', { query: { task, attempt }, body: new Uint8Array(32) }))).toBe(
      'CALLER_REFUSED',
    );
    expect((await played.poll()).tasks).toMatchObject([{ id: task, attempt }]);
    await iam.stage.api.call('abortMigration', { params: { migration: id } });
  });
});
