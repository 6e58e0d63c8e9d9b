import { randomUUID } from 'node:crypto';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createS3Client } from '../../../adapters/aws/clients.ts';
import type { Grant } from '../../../core/ports.ts';
import { chain, id } from '../../functions/support/samples.ts';
import { PlayedAgent } from './played-agent.ts';
import { IamStage } from './stage.ts';

/** What the session of a task may do with objects, asked of a store that enforces roles and session policies. */
let iam: IamStage;
let source: S3Client;
let destination: S3Client;
let Bucket: string;
let migration: string;
const made = `packs/aa/${randomUUID()}`;

beforeAll(async () => {
  iam = await IamStage.open();
  const [h1, h2] = [await iam.bind('a', 'h1'), await iam.bind('b', 'h2')];
  const from = new PlayedAgent(await h1.api('source'), 'a', 'h1');
  const to = new PlayedAgent(await h2.api('destination'), 'b', 'h2');
  await from.enrol('web-1');
  await to.enrol();
  const body = { request_id: randomUUID(), vms: ['web-1'], to: h2.ref };
  migration = (await iam.stage.api.call('createMigration', { body })).id;
  await from.survey(await from.task('survey'), 'web-1', chain('web-1'));
  const [seed, fetched] = [await from.task('seed'), await to.task('fetch')];
  const grantOf = (agent: PlayedAgent, { id: task, attempt }: typeof seed) =>
    agent.api.call('grant', { params: { task }, body: { attempt } });
  const grant = await grantOf(from, seed);
  Bucket = grant.bucket;
  source = clientOf(grant);
  destination = clientOf(await grantOf(to, fetched));
});
afterAll(async () => {
  source?.destroy();
  destination?.destroy();
  await iam.stage.api.call('abortMigration', { params: { migration } });
  await iam.close();
});

function clientOf({ credentials, region }: Pick<Grant, 'credentials' | 'region'>): S3Client {
  return createS3Client({ credentials, region, endpoint: iam.account.endpoint });
}

const key = (name: string, namespace = iam.stage.cloud.namespace) => `ns/${namespace}/${name}`;
const put = (client: S3Client, Key: string, condition: { IfNoneMatch?: string } = { IfNoneMatch: '*' }) =>
  told(client.send(new PutObjectCommand({ Bucket, Key, Body: 'bytes', ...condition })));
const get = (client: S3Client, Key: string) => told(client.send(new GetObjectCommand({ Bucket, Key })));

/** `ok`, or the name of the store's refusal. */
async function told(asked: Promise<unknown>): Promise<string> {
  return await asked.then(
    () => 'ok',
    (error: Error) => error.name,
  );
}

it('a source creates below its prefixes, and reads there', async () => {
  expect(await put(source, key(made))).toBe('ok');
  expect(await get(source, key(made))).toBe('ok');
  expect(await put(source, key(`layers/${id('os').slice(0, 2)}/${id('os')}`))).toBe('ok');
});

it('it replaces nothing, with the condition or without', async () => {
  expect(await put(source, key(made))).toBe('PreconditionFailed');
  expect(await put(source, key(made), {})).toBe('AccessDenied');
  expect(await put(source, key(`packs/bb/${randomUUID()}`), {})).toBe('AccessDenied');
});

it('it removes and lists nothing', async () => {
  expect(await told(source.send(new DeleteObjectCommand({ Bucket, Key: key(made) })))).toBe('AccessDenied');
  expect(await told(source.send(new ListObjectsV2Command({ Bucket, Prefix: key('') })))).toBe('AccessDenied');
  expect(await get(destination, key(made))).toBe('ok');
});

it('it writes nowhere else: not beside its prefixes, not for another migration, not in another namespace', async () => {
  for (const name of ['other/x', `migrations/m${'9'.repeat(20)}/packs/x`, `migrations/${migration}/packs/aa/x`])
    expect(await put(source, key(name)), name).toBe('AccessDenied');
  expect(await put(source, key('packs/aa/x', 'another'))).toBe('AccessDenied');
  expect(await put(source, 'requests/x.json')).toBe('AccessDenied');
  expect(await put(source, key('packs/aa/x', 'public')), 'what all may read').toBe('AccessDenied');
});

it('nobody reads another namespace, nor another migration', async () => {
  for (const client of [source, destination]) {
    expect(await get(client, key('packs/aa/x', 'another'))).toBe('AccessDenied');
    expect(await get(client, key(`migrations/m${'9'.repeat(20)}/packs/x`))).toBe('AccessDenied');
  }
});

it('a destination writes nothing', async () => {
  expect(await put(destination, key(`packs/cc/${randomUUID()}`))).toBe('AccessDenied');
  expect(await put(destination, key(`migrations/${migration}/packs/cc/x`))).toBe('AccessDenied');
});
