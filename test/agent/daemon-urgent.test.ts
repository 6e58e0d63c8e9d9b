import { beforeEach, describe, expect, it } from 'vitest';
import { limits } from '../../core/limits.ts';
import type { Receipt } from '../../core/receipt.ts';
import { type Polling, startPolling } from './poll-stage.ts';

const MIGRATION = `m${'0'.repeat(20)}`;
const VM = { migration: MIGRATION, vm: 'web-1' };
const never = new AbortController().signal;
const receipt = { vm: 'web-1', migration: MIGRATION, side: 'destination', chunkBytes: 1, layers: [], atMs: 0 } as const;

let polling: Polling;
beforeEach(() => {
  polling = startPolling();
  return () => polling.stop();
});

/** Work that is urgent until the answered function is called. */
async function urgent(): Promise<() => void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  await polling.clock.advance(0);
  polling.asked.at(-1)!.answer();
  void polling.inbox.urgently(() => promise);
  await polling.clock.advance(0);
  return resolve;
}

const last = () => polling.asked.at(-1)!;

describe('while a task says that its waits are urgent', () => {
  it('polls wait at the API, and the next one begins as soon as news are there', async () => {
    await urgent();
    const waiting = polling.inbox.receipt(MIGRATION, 'web-1', never);
    await polling.clock.advance(0);
    expect(last().body).toMatchObject({ wait_ms: limits.poll_wait_ms_max, awaiting: [VM] });
    const before = polling.asked.length;
    last().answer({ receipts: [{ ...receipt, layers: [] }] });
    expect(await waiting).toEqual(receipt satisfies Receipt);
    await polling.clock.advance(0);
    expect(polling.asked).toHaveLength(before + 1);
    expect(last().body.awaiting).toEqual([]);
  });

  it('a poll is given up when there is something else to ask, and nothing it would have brought is lost', async () => {
    await urgent();
    const first = last();
    expect(first.body.wait_ms).toBe(limits.poll_wait_ms_max);
    const words = polling.inbox.incoming(MIGRATION, 'web-1', never)[Symbol.asyncIterator]();
    const word = words.next();
    await polling.clock.advance(0);
    expect(first.signal.aborted).toBe(true);
    expect(last().body.expecting).toEqual([VM]);
    last().answer({ incoming: [{ ...VM, uri: 'tcp:h2:1' }] });
    expect((await word).value).toEqual({ uri: 'tcp:h2:1' });
    const next = words.next();
    await polling.clock.advance(0);
    expect(last().body.expecting).toEqual([{ ...VM, heard: { uri: 'tcp:h2:1' } }]);
    last().answer({ incoming: [{ ...VM, uri: 'tcp:h2:1', applied: { 'ud:web-1': '7' } }] });
    expect((await next).value).toEqual({ uri: 'tcp:h2:1', applied: { 'ud:web-1': '7' } });
    await words.return?.(undefined);
    await polling.clock.advance(0);
  });

  it('a ring that changes nothing to ask leaves the poll alone', async () => {
    await urgent();
    const before = polling.asked.length;
    polling.wake.ring();
    await polling.clock.advance(100);
    expect(last().signal.aborted).toBe(false);
    expect(polling.asked).toHaveLength(before);
  });

  it('answers without news don’t make it spin', async () => {
    await urgent();
    const before = polling.asked.length;
    for (let at = 0; at < 100; at++) {
      last().answer({ cancelled: [`${MIGRATION}.seed.x`] });
      await polling.clock.advance(10);
    }
    expect(polling.asked.length - before).toBeLessThanOrEqual(1_000 / limits.poll_fast_ms);
  });

  it('a cloud that is away is not asked without end', async () => {
    await urgent();
    const before = polling.asked.length;
    for (let at = 0; at < 100; at++) {
      last().fail('API_UNREACHABLE');
      await polling.clock.advance(10);
    }
    expect(polling.asked.length - before).toBeLessThanOrEqual(1_000 / limits.poll_busy_ms + 1);
  });

  it('an answer at the end of its wait is followed at once by the next poll', async () => {
    await urgent();
    await polling.clock.advance(limits.poll_wait_ms_max);
    const before = polling.asked.length;
    last().answer();
    await polling.clock.advance(0);
    expect(polling.asked).toHaveLength(before + 1);
  });

  it('nothing looks into the image folder: that may take a while', async () => {
    await urgent();
    const before = polling.looks.length;
    for (let at = 0; at < 5; at++) {
      await polling.clock.advance(limits.rescan_ms);
      last().answer();
    }
    await polling.clock.advance(0);
    expect(polling.looks).toHaveLength(before);
  });

  it('hears of it when a VM was settled', async () => {
    await urgent();
    const end = polling.inbox.settled(MIGRATION, 'web-1', never);
    await polling.clock.advance(0);
    expect(last().body.settling).toEqual([VM]);
    last().answer({ settled: [{ ...VM, state: 'committed' }] });
    expect(await end).toBe('committed');
  });

  it('a stop ends the wait at once', async () => {
    await urgent();
    await polling.stop();
    expect(last().signal.aborted).toBe(true);
  });
});

describe('when nothing is urgent any more', () => {
  it('polls are short again', async () => {
    const done = await urgent();
    done();
    await polling.clock.advance(0);
    last().answer();
    await polling.clock.advance(limits.poll_idle_ms);
    expect(last().body).not.toHaveProperty('wait_ms');
  });

  it('it does not matter how the work ended', async () => {
    await polling.clock.advance(0);
    const failed = polling.inbox.urgently(async () => {
      throw new Error('no');
    });
    await expect(failed).rejects.toThrow('no');
    expect(polling.inbox.isUrgent).toBe(false);
    const [one, two] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const both = [polling.inbox.urgently(() => one.promise), polling.inbox.urgently(() => two.promise)];
    one.resolve();
    await both[0];
    expect(polling.inbox.isUrgent).toBe(true);
    two.resolve();
    await both[1];
    expect(polling.inbox.isUrgent).toBe(false);
  });
});
