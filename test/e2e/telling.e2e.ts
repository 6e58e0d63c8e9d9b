import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { EVENT_SOURCE } from '../../adapters/aws/events.ts';
import { STATE_CHANGED, type StateChanged } from '../../core/api/events.ts';
import type { HostRef } from '../../core/api/names.ts';
import { hasEnded, type MigrationState } from '../../core/migration.ts';
import type { AgentProcess } from './agent-process.ts';
import { makeLayers } from './chain.ts';
import { untilEnded } from './migrations.ts';
import { type Observer, until } from './observed.ts';
import { observe } from './observer.ts';
import { Stage } from './stage.ts';

/** What others hear of migrations on the bus. */
const TOLD_MS_MAX = 60_000;
const EVENTS = path.resolve(import.meta.dirname, '../../docs/events.json');

let stage: Stage;
let observer: Observer;
let a: AgentProcess;
let b: AgentProcess;

beforeAll(async () => {
  stage = await Stage.open();
  observer = await observe(stage);
  [a, b] = [await stage.host('a', 'h1'), await stage.host('b', 'h2')];
  await makeLayers(a.images, [
    { name: 'os.qcow2', at: 0, megabytes: 2 },
    { name: 'web-1.qcow2', over: 'os.qcow2', at: 100, megabytes: 2 },
  ]);
  await Promise.all([a, b].map((each) => each.start()));
});
afterAll(async () => {
  await observer?.close();
  await stage.close();
});

/** Moves web-1 to the second host; answers what was told of it until its end was. */
async function move(): Promise<StateChanged[]> {
  const body = { request_id: randomUUID(), vms: ['web-1'], to: b.ref as HostRef };
  const { id } = await stage.api.call('createMigration', { body });
  await untilEnded(stage.api, id);
  const look = async () => {
    const events = await observer.events();
    const ours = events.filter((event) => event['detail-type'] === STATE_CHANGED && event.source === EVENT_SOURCE);
    return ours.map(({ detail }) => detail as StateChanged).filter(({ migration }) => migration === id);
  };
  const isOver = (told: readonly StateChanged[]) =>
    told.some(({ state }) => hasEnded(state)) && told.some(({ state }) => state === 'requested');
  return [...(await until(look, isOver, TOLD_MS_MAX))];
}

/** Each state once, by time. */
function states(told: readonly StateChanged[]): MigrationState[] {
  const byTime = told.toSorted((left, right) => left.atMs - right.atMs);
  return [...new Set(byTime.map(({ state }) => state))];
}

describe('the bus tells', () => {
  let moved: StateChanged[];

  it('each state of a migration, and that its VMs are the destination’s', async () => {
    moved = await move();
    expect(states(moved)).toEqual(['requested', 'preparing', 'seeding', 'moving', 'committed']);
    const last = moved.find(({ state }) => state === 'committed');
    const vms = [{ name: 'web-1', state: 'committed' }];
    expect(last).toMatchObject({ version: 1, namespace: stage.cloud.namespace, run: 1, to: b.ref, vms });
    expect(last).not.toHaveProperty('error');
  });

  it('why one failed', async () => {
    const told = await move();
    expect(states(told).at(-1)).toBe('failed');
    expect(told.find(({ state }) => state === 'failed')).toMatchObject({ error: { code: 'VM_ALREADY_THERE' } });
    moved.push(...told);
  });

  it('all of it in the words of docs/events.json', async () => {
    const { $defs } = JSON.parse(await readFile(EVENTS, 'utf8')) as { $defs: Record<string, object> };
    const schema = z.fromJSONSchema($defs[STATE_CHANGED] as Parameters<typeof z.fromJSONSchema>[0]);
    expect(schema.safeParse({ ...moved[0], state: 'lost' }).success).toBe(false);
    for (const detail of moved)
      expect(schema.safeParse(detail), JSON.stringify(detail)).toMatchObject({ success: true });
  });
});
