import { expect } from 'vitest';
import type { MigrationRequest } from '../../../core/api/views.ts';
import { hasEnded } from '../../../core/migration.ts';
import { migrationIdOf } from '../../../functions/migrations/create.ts';
import { type AgentOptions, ScriptedAgent } from './agent.ts';
import { createRunningCloud, type RunningCloud } from './running-workflow.ts';

export const M = migrationIdOf('default', 'request-1');
const SECONDS_MAX = 1000;

/** A cloud that runs the real workflow, and an agent at each of two hosts. */
export interface World {
  readonly cloud: RunningCloud;
  readonly source: ScriptedAgent;
  readonly destination: ScriptedAgent;
}

export async function createWorld(script: { source?: AgentOptions; destination?: AgentOptions } = {}): Promise<World> {
  const cloud = createRunningCloud();
  const source = new ScriptedAgent(cloud, 'h1', script.source);
  const destination = new ScriptedAgent(cloud, 'h2', script.destination);
  await source.start(['web-1', 'web-2']);
  await destination.start([]);
  return { cloud, source, destination };
}

type Change = Partial<Pick<MigrationRequest, 'mode' | 'live' | 'plan_only'>>;

export async function migrate({ cloud }: World, vms = ['web-1', 'web-2'], change: Change = {}): Promise<void> {
  await cloud.call('createMigration', 'user', { body: { request_id: 'request-1', vms, to: 'b/h2', ...change } });
}

export const view = ({ cloud }: World) => cloud.call('getMigration', 'user', { params: { migration: M } });

/** Lets time pass until the migration and its execution have ended. */
export async function ended(world: World) {
  for (let second = 0; second < SECONDS_MAX; second++) {
    await world.cloud.time.advance(1000);
    const { status } = await world.cloud.execution(M);
    if (status !== 'RUNNING') break;
  }
  const found = await view(world);
  expect(hasEnded(found.state)).toBe(true);
  return found;
}

export async function ownership({ cloud }: World, vm: string) {
  const { owner, epoch, lease } = (await cloud.vms.find('default', vm))!;
  return { owner, epoch, leased: lease !== undefined };
}

/** Each lease that was given back has counted the epoch up. */
export const STAYED = { owner: 'a/h1', epoch: 1, leased: false };
export const MOVED = { owner: 'b/h2', epoch: 1, leased: false };
