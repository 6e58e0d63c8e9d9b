import { randomUUID } from 'node:crypto';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { MigrationView } from '../../core/api/views.ts';
import type { AgentProcess } from './agent-process.ts';
import { compare, makeLayers } from './chain.ts';
import { until, untilEnded } from './migrations.ts';
import { Stage } from './stage.ts';

/** Agents that are killed in the middle of a transfer, and go on where their tasks stood. */
let stage: Stage;
let a: AgentProcess;
let b: AgentProcess;

beforeAll(async () => {
  stage = await Stage.open();
  [a, b] = [await stage.host('a', 'h1'), await stage.host('b', 'h2')];
  await makeLayers(a.images, [
    { name: 'one.qcow2', at: 0, megabytes: 160 },
    { name: 'two.qcow2', at: 0, megabytes: 160 },
  ]);
  await Promise.all([a, b].map((each) => each.start()));
});
afterAll(() => stage.close());

/** Something of the VM is on the way, and not all of it. */
function isUnderWay({ vms }: MigrationView): boolean {
  const bytes = vms
    .flatMap(({ layers }) => layers)
    .map(({ wire_bytes, total_bytes }) => [wire_bytes, total_bytes] as const);
  return bytes.some(([sent, all]) => sent > 0 && sent < all);
}

it.each([
  ['source', 'one', () => a],
  ['destination', 'two', () => b],
] as const)('a killed %s goes on, and the VM arrives equal', async (_, vm, victim) => {
  const body = { request_id: randomUUID(), vms: [vm], to: b.ref as `${string}/${string}` };
  const { id } = await stage.api.call('createMigration', { body });
  await until(stage.api, id, isUnderWay);
  await victim().kill();
  await victim().start();
  const { state, vms } = await untilEnded(stage.api, id);
  expect(state).toBe('committed');
  expect(vms[0]).toMatchObject({ name: vm, equal: true });
  await compare(path.join(a.images, `${vm}.qcow2`), path.join(b.images, `${vm}.qcow2`));
});
