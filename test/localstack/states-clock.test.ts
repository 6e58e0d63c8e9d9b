import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { invoke, SimulatedClock, single, TestCloud, withToken } from './states-cloud.ts';

const DAY_MS = 24 * 3_600_000;
const nap = single({ Type: 'Wait', Seconds: 600 });

describe('a clock that somebody sets', () => {
  it.each([-DAY_MS, DAY_MS])('by %i ms makes no wait longer than twice what it is', async (byMs) => {
    const cloud = new TestCloud(nap);
    const executionArn = await cloud.start({});
    await cloud.clock.advance(300_000);
    cloud.clock.set(byMs);
    await cloud.clock.advance(900_000);
    expect(await cloud.call('DescribeExecution', { executionArn })).toMatchObject({ status: 'SUCCEEDED' });
  });

  it('back notices silent workers, and retries', async () => {
    let calls = 0;
    const retry = [{ ErrorEquals: ['States.HeartbeatTimeout'], IntervalSeconds: 30, MaxAttempts: 1 }];
    const definition = single(withToken('take', { HeartbeatSeconds: 60, Retry: retry }));
    const cloud = new TestCloud(definition, { functions: { take: () => void calls++ } });
    const executionArn = await cloud.start({});
    await cloud.clock.advance(1_000);
    cloud.clock.set(-DAY_MS);
    await cloud.clock.advance(2 * (60_000 + 30_000 + 60_000));
    expect(await cloud.call('DescribeExecution', { executionArn })).toMatchObject({ status: 'FAILED' });
    expect(calls).toBe(2);
  });

  it('back while the cloud was away goes on from where the journal ends', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'states-'));
    const boom = single(invoke('boom', { Retry: [{ ErrorEquals: ['States.ALL'], IntervalSeconds: 60 }] }));
    const functions = { boom: () => 'fine now' };
    const before = new TestCloud(boom, {
      dir,
      functions: {
        boom() {
          throw new Error('on purpose');
        },
      },
    });
    const executionArn = await before.start({});
    await before.clock.advance(1_000);
    await before.states.stop();
    const after = new TestCloud(boom, { dir, functions, clock: new SimulatedClock(Date.UTC(2030, 0, 1) - DAY_MS) });
    after.states.resume();
    await after.clock.advance(120_000);
    expect(await after.call('DescribeExecution', { executionArn })).toMatchObject({ status: 'SUCCEEDED' });
    await after.states.stop();
    rmSync(dir, { recursive: true });
  });
});
