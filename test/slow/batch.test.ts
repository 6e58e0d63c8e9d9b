import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { ApiClient } from '../../adapters/api/client.ts';
import { createS3Client } from '../../adapters/aws/clients.ts';
import { type CloudFile, clientOf, cloudFile } from '../../bin/connection.ts';
import { isHook, sha256 } from '../../core/fingerprint.ts';
import { decodeAnswer, encodeQuestion } from '../../core/format/batch.ts';
import { limits } from '../../core/limits.ts';
import { makePack } from '../functions/support/packs.ts';
import { chain } from '../functions/support/samples.ts';
import { Stage } from './command.ts';

/** The largest batch of fingerprints against an emulator, as an agent asks it: signed, by HTTP, through the function. */
const BATCH_MS_MAX = 1000;
const PACKS = 64;
const CHUNKS = limits.batch_fingerprints_max / PACKS;

let stage: Stage;
let cloud: CloudFile;
let api: ApiClient;
let task: string;

const SOURCE = { site: 'a', host: 'h1' };
const poll = () => {
  const body = { instance: '1'.repeat(32), free_bytes: 1, running: [], following: [], awaiting: [] };
  return api.call('poll', { params: SOURCE, body });
};

/** The next task that the host is handed. */
async function nextTask() {
  for (;;) {
    const { tasks } = await poll();
    if (tasks[0] !== undefined) return tasks[0];
  }
}

beforeAll(async () => {
  stage = await Stage.open();
  cloud = cloudFile.parse(JSON.parse(await readFile(await stage.cloud(), 'utf8')));
  api = clientOf(cloud);
  for (const params of [SOURCE, { site: 'b', host: 'h2' }]) {
    const vms = params === SOURCE ? ['web-1'] : [];
    await api.call('enrolHost', { params, body: { version: '1', vms, free_bytes: 1e12, layers: [] } });
  }
  await api.call('createMigration', { body: { request_id: randomUUID(), vms: ['web-1'], to: 'b/h2' } });
  const survey = await nextTask();
  const result = { kind: 'survey' as const, vms: [{ name: 'web-1', layers: chain('web-1') }] };
  const body = { attempt: survey.attempt, outcome: { status: 'done' as const, result } };
  await api.call('reportTask', { params: { task: survey.id }, body });
  task = (await nextTask()).id;
}, 120_000);
afterAll(() => stage.close());

const TICKS_PER_SECOND = 100;

/** What the cloud's process has computed, in milliseconds. Source: proc_pid_stat(5). */
async function computedMs(): Promise<number> {
  const children = await readFile(`/proc/${process.pid}/task/${process.pid}/children`, 'utf8');
  const stats = await Promise.all(
    children
      .trim()
      .split(' ')
      .map((id) => readFile(`/proc/${id}/stat`, 'utf8')),
  );
  const ticks = stats.map((stat) => stat.slice(stat.lastIndexOf(')')).split(' ').slice(12, 14).map(Number));
  return (ticks.flat().reduce((sum, each) => sum + each, 0) * 1000) / TICKS_PER_SECOND;
}

/** Takes of both clocks the smaller: on a busy machine the wall's runs on while the cloud waits for a processor. */
async function ask(fingerprints: readonly Buffer[]) {
  const body = encodeQuestion(Buffer.concat(fingerprints));
  const [beganMs, computedBeforeMs] = [performance.now(), await computedMs()];
  const answer = decodeAnswer(await api.call('checkFingerprints', { query: { task, attempt: 1 }, body }));
  const ms = Math.min(performance.now() - beganMs, (await computedMs()) - computedBeforeMs);
  return { ms, answers: answer.answers };
}

it('one of new fingerprints, and one whose chunks lie in 64 packs that nobody has read, take a second at the most', async () => {
  await ask([sha256(Buffer.from('the function is there'))]);
  const unknown = Array.from({ length: limits.batch_fingerprints_max }, (_, at) => sha256(Buffer.from(`new ${at}`)));
  const missing = await ask(unknown);
  expect(missing.answers.every(({ status }) => status === 'missing')).toBe(true);

  const made = Array.from({ length: PACKS }, (_, at) => makePack(at * CHUNKS, CHUNKS));
  const { access_key_id: accessKeyId, secret_access_key: secretAccessKey } = cloud.credentials!;
  const { endpoint, bucket: Bucket } = cloud.services!;
  const s3 = createS3Client({
    endpoint: endpoint!,
    region: cloud.region,
    credentials: { accessKeyId, secretAccessKey },
  });
  for (const { key: Key, parts } of made)
    await s3.send(new PutObjectCommand({ Bucket, Key, Body: Buffer.concat(parts) }));
  s3.destroy();
  for (let at = 0; at < PACKS; at += limits.packs_per_announcement_max) {
    const packs = made.slice(at, at + limits.packs_per_announcement_max).map(({ pack }) => pack);
    await api.call('announcePacks', { params: { task }, body: { attempt: 1, packs } });
  }
  const fingerprints = made.flatMap((pack) => pack.fingerprints);
  expect(fingerprints.filter((each) => isHook(each, limits.index_sampling_default)).length).toBeGreaterThan(PACKS);
  const known = await ask(fingerprints);
  expect(known.answers.every(({ status }) => status === 'have')).toBe(true);
  process.stderr.write(
    `${fingerprints.length} fingerprints: ${missing.ms.toFixed(0)} ms new, ${known.ms.toFixed(0)} ms known\n`,
  );
  expect(Math.max(missing.ms, known.ms)).toBeLessThanOrEqual(BATCH_MS_MAX);
}, 120_000);
