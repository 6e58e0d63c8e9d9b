import { randomUUID } from 'node:crypto';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { AgentProcess } from '../../agent-process.ts';
import { compare, makeLayers } from '../../chain.ts';
import { untilEnded } from '../../migrations.ts';
import { schedulesAt } from '../../scheduled.ts';
import { Stage } from '../../stage.ts';
import { CDK_MS_MAX, cdk } from './cdk.ts';

/** The stack gets its next version while migrations run. */
const VMS = Array.from({ length: 20 }, (_, at) => `vm-${at}`);

let stage: Stage;
let a: AgentProcess;
let b: AgentProcess;

beforeAll(async () => {
  stage = await Stage.open();
  [a, b] = [await stage.host('a', 'h1'), await stage.host('b', 'h2')];
  await makeLayers(
    a.images,
    VMS.map((vm) => ({ name: `${vm}.qcow2`, at: 0, megabytes: 4 })),
  );
  await Promise.all([a, b].map((each) => each.start()));
});
afterAll(() => stage.close());

async function expectMoved(vm: string): Promise<void> {
  const body = { request_id: randomUUID(), vms: [vm], to: b.ref as `${string}/${string}` };
  const { id } = await stage.api.call('createMigration', { body });
  const { state, vms } = await untilEnded(stage.api, id);
  expect([state, vms[0]?.equal], JSON.stringify(vms)).toEqual(['committed', true]);
  await compare(path.join(a.images, `${vm}.qcow2`), path.join(b.images, `${vm}.qcow2`));
}

/** SHA-256 of the code of each function that is deployed. */
async function codes(): Promise<string[]> {
  const answer = await fetch(`${new URL(stage.cloud.api_url).origin}/2015-03-31/functions`);
  const { Functions } = (await answer.json()) as { Functions: { Description: string; CodeSha256: string }[] };
  return Functions.filter(({ Description = '' }) => Description.startsWith('LayerMover: ')).map(
    ({ CodeSha256 }) => CodeSha256,
  );
}

it(
  'migrations go on while every function, the API and settings change under them',
  async () => {
    const before = await codes();
    expect((await fetch(`${stage.cloud.api_url}/next`)).status).not.toBe(200);
    let isUpdated = false;
    const update = cdk(
      'deploy',
      '--require-approval',
      'never',
      '--context',
      `schedules=${schedulesAt('rate(1 minute)')}`,
    ).finally(() => {
      isUpdated = true;
    });
    let moved = 0;
    for (const vm of VMS.slice(0, -1)) {
      if (isUpdated) break;
      await expectMoved(vm);
      moved += 1;
    }
    await update;
    expect(moved).toBeGreaterThan(1);
    await expectMoved(VMS.at(-1)!);
    const after = await codes();
    expect(after).toHaveLength(before.length);
    expect(after.filter((code) => before.includes(code))).toEqual([]);
    expect((await fetch(`${stage.cloud.api_url}/next`)).status).toBe(200);
  },
  CDK_MS_MAX,
);
