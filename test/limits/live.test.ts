import { describe, expect, it } from 'vitest';
import { incoming, pollRequest } from '../../core/api/agent.ts';
import { taskInput } from '../../core/api/tasks.ts';
import { migrationRequest } from '../../core/api/views.ts';
import { isGain } from '../../core/convergence/catch-up.ts';
import { limits } from '../../core/limits.ts';

const request = { request_id: 'request-1', vms: ['web-1'], to: 'b/h1', mode: 'live' };
const poll = { instance: '0'.repeat(16), free_bytes: 0, running: [], following: [], awaiting: [] };
const seed = { kind: 'seed', migration: `m${'0'.repeat(20)}`, run: 1, chunk_bytes: 65_536, layers: [] };

describe('a live migration', () => {
  it('is asked for with a pause within bounds, and has one if none is said', () => {
    const parse = (ms?: number) => migrationRequest.safeParse({ ...request, live: { max_downtime_ms: ms } });
    expect(parse(limits.downtime_ms_max).success).toBe(true);
    expect(parse(limits.downtime_ms_max + 1).success).toBe(false);
    expect(parse(0).success).toBe(false);
    expect(parse().data?.live?.max_downtime_ms).toBe(limits.downtime_ms_default);
  });

  it('keeps to a rate that lets it end', () => {
    const parse = (rate: number) => ({
      asked: migrationRequest.safeParse({ ...request, max_rate_bytes_per_second: rate }).success,
      told: taskInput.safeParse({ ...seed, max_rate_bytes_per_second: rate }).success,
    });
    expect(parse(limits.rate_bytes_per_second_min)).toEqual({ asked: true, told: true });
    expect(parse(limits.rate_bytes_per_second_min - 1)).toEqual({ asked: false, told: false });
  });

  it('hears of a destination in words of a bounded length, in polls that wait for a bounded time', () => {
    expect(incoming.safeParse({ uri: 'u'.repeat(limits.uri_length_max) }).success).toBe(true);
    expect(incoming.safeParse({ uri: 'u'.repeat(limits.uri_length_max + 1) }).success).toBe(false);
    expect(pollRequest.safeParse({ ...poll, wait_ms: limits.poll_wait_ms_max }).success).toBe(true);
    expect(pollRequest.safeParse({ ...poll, wait_ms: limits.poll_wait_ms_max + 1 }).success).toBe(false);
  });

  it('takes a round for worth its while from a share of what there was', () => {
    const least = 100 - limits.round_gain_percent_min;
    expect([isGain(100, least), isGain(100, least + 1), isGain(0, 0)]).toEqual([true, false, false]);
  });
});
