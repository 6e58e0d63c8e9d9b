import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { synthesize } from '../../infra/synth.ts';
import { type Cloud, startCloud } from '../../localstack/cloud.ts';
import { MOVED, ScheduledMove, schedulesAt } from '../e2e/scheduled.ts';
import { ASSEMBLIES } from '../infra/assemblies.ts';
import { MovedClock } from './moved-clock.ts';

/** A schedule of the plain app's context on the embedded cloud, whose clock is put forward; agents are processes. */
const SCHEDULE = 'rate(5 minutes)';
/** Hosts are there before that much of the machine's own time is over. Twice is less than what signatures may be late. */
const PERIOD_MS = 300_000;
const ARRIVAL_MS_MAX = 60_000;

const clock = new MovedClock();
let folder: string;
let cloud: Cloud;
let move: ScheduledMove;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'layermover-schedule-'));
  const assemblyDir = synthesize(ASSEMBLIES, { schedules: schedulesAt(SCHEDULE) });
  cloud = await startCloud({ assemblyDir, dataDir: folder, clock });
  const { apiUrl: api_url, region, operator } = cloud;
  const credentials = { access_key_id: operator.accessKeyId, secret_access_key: operator.secretAccessKey };
  const file = path.join(folder, 'cloud.json');
  await writeFile(file, JSON.stringify({ api_url, region, credentials }), { mode: 0o600 });
  move = await ScheduledMove.open(file);
});
afterAll(async () => {
  await move?.close();
  await cloud?.stop();
  await rm(folder, { recursive: true });
});

/** When the schedule comes next. */
async function nextMs(): Promise<number> {
  const due = JSON.parse(await readFile(path.join(folder, 'schedules.json'), 'utf8')) as Record<string, number>;
  return Object.entries(due).find(([key]) => key.endsWith(SCHEDULE))![1];
}

it('evacuates a host when its time comes, each time; once it has nothing to move, nothing more is asked for', async () => {
  expect(await move.migrations()).toEqual([]);
  const first = await nextMs();
  clock.forward(PERIOD_MS);
  expect(await move.arrived(ARRIVAL_MS_MAX)).toEqual(MOVED);
  expect(await nextMs()).toBe(first + PERIOD_MS);

  clock.forward(PERIOD_MS);
  await expect.poll(nextMs, { timeout: ARRIVAL_MS_MAX }).toBe(first + 2 * PERIOD_MS);
  await expect.poll(() => readdir(path.join(folder, 'deliveries')), { timeout: ARRIVAL_MS_MAX }).toEqual([]);
  expect(await move.migrations()).toEqual(MOVED);
  expect(await readdir(path.join(folder, 'queues'))).toEqual([]);
});
