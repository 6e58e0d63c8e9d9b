import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LayerMoverError } from '../../core/errors.ts';
import { freshMigration } from './support/samples.ts';
import { HEARTBEAT_SECONDS, type WorkflowCloud, workflowClouds } from './support/workflows.ts';

const dead = { code: 'TOKEN_DEAD' };

describe.each(workflowClouds)('Workflow on $name', ({ start }) => {
  let cloud: WorkflowCloud;
  beforeAll(async () => {
    cloud = await start();
  });
  afterAll(() => cloud.close());

  async function started() {
    const id = freshMigration();
    await cloud.workflow.start(id, { id, namespace: 'default' });
    return { id, ...(await cloud.waiting(id)) };
  }

  async function expectDead(token: string): Promise<void> {
    await expect(cloud.workflow.beat(token)).rejects.toMatchObject(dead);
    await expect(cloud.workflow.succeed(token, {})).rejects.toMatchObject(dead);
    await expect(cloud.workflow.fail(token, { code: 'X', message: 'y' })).rejects.toMatchObject(dead);
  }

  it('goes on with what the token was given, and then the token is dead', async () => {
    const { token, outcome } = await started();
    await cloud.workflow.succeed(token, { vms: ['web-1'], none: null });
    expect(await outcome()).toEqual({ status: 'succeeded', output: { vms: ['web-1'], none: null } });
    await expectDead(token);
  });

  it('fails with the error’s code and all that it says', async () => {
    const { token, outcome } = await started();
    const cause = new LayerMoverError('ENOSPC', 'no space');
    const error = new LayerMoverError('IMAGE_HELD', 'in use', {
      hint: 'stop it',
      data: { vm: 'web-1' },
      cause,
    }).toJSON();
    await cloud.workflow.fail(token, error);
    expect(await outcome()).toEqual({ status: 'failed', error });
    await expectDead(token);
  });

  it('waits for as long as it hears a beat', async () => {
    const { token, outcome } = await started();
    for (let beat = 0; beat < 3; beat += 1) {
      await cloud.clock.advance((HEARTBEAT_SECONDS - 1) * 1000);
      await cloud.workflow.beat(token);
    }
    await cloud.workflow.succeed(token, 'alive');
    expect(await outcome()).toEqual({ status: 'succeeded', output: 'alive' });
  });

  it('gives up what it hears nothing of', async () => {
    const { token } = await started();
    await cloud.miss(token);
    await expectDead(token);
  });

  it('starts an execution once, whether it runs or has ended', async () => {
    const { id, token, outcome } = await started();
    await cloud.workflow.start(id, { id, namespace: 'default' });
    await cloud.workflow.succeed(token, 1);
    await cloud.workflow.start(id, { id, namespace: 'default' });
    expect(await outcome()).toEqual({ status: 'succeeded', output: 1 });
  });

  it('knows no token that it did not give', async () => {
    await expectDead('nonsense');
  });
});

describe('Workflow on Step Functions', () => {
  it('keeps the code and the message of an error that is too long', async () => {
    const cloud = await workflowClouds[1]!.start();
    const id = freshMigration();
    await cloud.workflow.start(id, { id });
    const { token, outcome } = await cloud.waiting(id);
    await cloud.workflow.fail(token, { code: 'BIG', message: 'm'.repeat(2000), data: { all: 'x'.repeat(40_000) } });
    expect(await outcome()).toEqual({ status: 'failed', error: { code: 'BIG', message: 'm'.repeat(1024) } });
    await cloud.close();
  });
});
