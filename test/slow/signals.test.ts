import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { limits } from '../../core/limits.ts';
import type { Seen } from '../kills/front.ts';
import { lastLine, Trip } from '../kills/trip.ts';
import type { Call } from '../kills/world.ts';

/** What SIGINT and SIGTERM do to agent, cloud and command in the middle of one migration. */
let trip: Trip;
let call: Call;

const AT_ONCE_MS = 5_000;

beforeAll(async () => {
  trip = await Trip.prepare({ os: 4, we: 1, top: 4 });
  await trip.startAgents();
});
afterAll(() => trip.close());

/** Resolves with the next request like that. */
function next(moment: RegExp): Promise<Seen> {
  return new Promise((resolve) => {
    trip.world.front.judge = (seen) => {
      if (moment.test(seen.line)) resolve(seen);
      return 'pass';
    };
  });
}

async function timed<T>(work: Promise<T>): Promise<{ result: T; milliseconds: number }> {
  const beganMs = performance.now();
  const result = await work;
  return { result, milliseconds: performance.now() - beganMs };
}

const source = () => trip.world.agents.get('a')!;

describe('a first signal', () => {
  it('to a sending agent lets it finish the packs on their way, and what they hold is not sent again', async () => {
    const pack = next(/^PUT \S+\/packs\//);
    call = trip.migrate();
    const { path } = await pack;
    trip.world.front.setWeather({ bytesPerSecond: 4 * 2 ** 20 });
    source().signal('SIGTERM');
    const { result, milliseconds } = await timed(source().exited());
    expect(result).toBe(0);
    expect(milliseconds).toBeLessThan(limits.agent_drain_ms + AT_ONCE_MS);
    expect(source().log()).toContain('draining');
    trip.world.front.setWeather('fine');
    const sent = trip.world.front.putBytes.get(path)!;
    expect(sent).toBeGreaterThan(3 * 2 ** 20);
    const other = next(/\.cutover\.\S+\/grant/);
    await source().start();
    await other;
    expect(trip.world.front.putBytes.get(path)).toBe(sent);
    const bases = [...trip.world.front.putBytes.keys()].filter((key) => key.includes('/packs/') && key !== path);
    expect(bases.length, 'of the bottom layer nothing is packed anew').toBeLessThanOrEqual(1);
  });

  it('to the command leaves the migration running, and the same command joins it again', async () => {
    call.kill('SIGINT');
    const { code, stderr } = await call.ended;
    expect(code).toBe(130);
    expect(stderr).toContain('goes on');
    expect((await trip.migration())!.state).not.toBe('aborted');
  });

  it('to the cloud stops it well, and the migration goes on with the next', async () => {
    trip.world.cloud.signal('SIGTERM');
    expect(await trip.world.cloud.exited()).toBe(0);
    await trip.world.cloud.start();
  });
});

describe('a second signal', () => {
  it('stops an agent at once', async () => {
    trip.world.front.setWeather('black-hole');
    source().signal('SIGINT');
    source().signal('SIGINT');
    await new Promise((resolve) => setTimeout(resolve, 100));
    source().signal('SIGTERM');
    const { milliseconds } = await timed(source().exited());
    expect(milliseconds).toBeLessThan(AT_ONCE_MS);
  });

  it('stops a command at once, even if the cloud does not answer', async () => {
    const hanging = trip.migrate();
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    hanging.kill('SIGINT');
    await new Promise((resolve) => setTimeout(resolve, 100));
    hanging.kill('SIGINT');
    const { result, milliseconds } = await timed(hanging.ended);
    expect([130, 'SIGINT']).toContain(result.code);
    expect(milliseconds).toBeLessThan(AT_ONCE_MS);
  });

  it('costs no more than a kill: the same command again commits', async () => {
    trip.world.front.setWeather('refused');
    trip.world.front.setWeather('fine');
    await source().start();
    const ended = await trip.migrate().ended;
    expect(ended.stderr).not.toContain('error');
    expect(lastLine(ended)).toMatchObject({ state: 'committed', vms: [{ name: 'web-1', equal: true }] });
    expect(await trip.judge()).toEqual([]);
  });
});
