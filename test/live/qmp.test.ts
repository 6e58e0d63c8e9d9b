import { afterEach, describe, expect, it } from 'vitest';
import { createManualClock } from '../../adapters/memory/manual-clock.ts';
import { systemClock } from '../../adapters/system/clock.ts';
import { unixSocket } from '../../adapters/system/unix-socket.ts';
import { connectQmp } from '../../agent/qemu/qmp.ts';
import { limits } from '../../core/limits.ts';
import type { ByteStream } from '../../core/stream.ts';
import { eachFolder } from '../agent/support.ts';
import { pipe } from './pipe.ts';
import { describeWithGuest, makeChain, startGuest } from './qemu.ts';

const GREETING = { QMP: { version: {}, capabilities: ['oob'] } };
const asTheyAre = { ...limits };
afterEach(() => void Object.assign(limits, asTheyAre));
const folder = eachFolder();

/** A monitor whose answers a test writes. */
class Monitor {
  readonly asked: { execute: string; id: number }[] = [];
  readonly stream: ByteStream;
  readonly #end: ByteStream;

  constructor() {
    [this.stream, this.#end] = pipe();
  }

  say(...messages: object[]): void {
    this.write(messages.map((each) => `${JSON.stringify(each)}\r\n`).join(''));
  }

  write(text: string | Uint8Array): void {
    void this.#end.write(typeof text === 'string' ? Buffer.from(text) : text);
  }

  close(): void {
    this.#end.close();
  }

  async next(): Promise<{ execute: string; id: number }> {
    const command = JSON.parse(`${Buffer.from((await this.#end.read())!)}`);
    this.asked.push(command);
    return command;
  }
}

const never = new AbortController().signal;

async function connected(clock = createManualClock()) {
  const monitor = new Monitor();
  monitor.say(GREETING);
  const connecting = connectQmp(async () => monitor.stream, { clock, signal: never });
  const { id } = await monitor.next();
  monitor.say({ return: {}, id });
  return { monitor, clock, qmp: await connecting };
}

describe('a QMP client', () => {
  it('gives answers by their ids, in whatever order and pieces they come', async () => {
    const { monitor, qmp } = await connected();
    const [first, second] = [qmp.execute('a'), qmp.execute('b', { x: 1 })];
    const asked = [await monitor.next(), await monitor.next()];
    expect(asked).toMatchObject([{ execute: 'a' }, { execute: 'b', arguments: { x: 1 } }]);
    const text = [asked[1]!, asked[0]!]
      .map(({ id, execute }) => `${JSON.stringify({ return: execute, id })}\n`)
      .join('');
    for (const byte of Buffer.from(text)) monitor.write(Uint8Array.of(byte));
    expect(await Promise.all([first, second])).toEqual(['a', 'b']);
  });

  it('tells why a command was refused', async () => {
    const { monitor, qmp } = await connected();
    const refused = qmp.execute('eject');
    const { id } = await monitor.next();
    monitor.say({ error: { class: 'GenericError', desc: 'no' }, id });
    await expect(refused).rejects.toMatchObject({
      code: 'QMP_COMMAND_FAILED',
      data: { class: 'GenericError', desc: 'no' },
    });
  });

  it('keeps events for who asked before they came, and for nobody else', async () => {
    const { monitor, qmp } = await connected();
    const feed = qmp.events('STOP', 'RESUME');
    const waiting = qmp.waitFor('JOB', ({ data }) => data.id === 'b', never);
    monitor.say({ event: 'STOP', data: {} }, { event: 'OTHER' }, { event: 'JOB', data: { id: 'a' } });
    monitor.say({ event: 'JOB', data: { id: 'b' } }, { event: 'RESUME' });
    expect(await waiting).toEqual({ event: 'JOB', data: { id: 'b' } });
    expect(await feed.next(never)).toMatchObject({ event: 'STOP' });
    expect(await feed.next(never)).toMatchObject({ event: 'RESUME' });
    feed.close();
  });

  it('refuses more events than qmp_events_max that nobody reads', async () => {
    Object.assign(limits, { qmp_events_max: 2 });
    const { monitor, qmp } = await connected();
    const feed = qmp.events('STOP');
    const after = qmp.waitFor('RESUME', () => true, never);
    monitor.say({ event: 'STOP' }, { event: 'STOP' }, { event: 'STOP' }, { event: 'RESUME' });
    await after;
    expect(await feed.next(never)).toMatchObject({ event: 'STOP' });
    expect(await feed.next(never)).toMatchObject({ event: 'STOP' });
    await expect(feed.next(never)).rejects.toMatchObject({ code: 'QMP_REFUSED' });
  });

  it('gives a command up after qmp_command_ms, and passes over its late answer', async () => {
    const { monitor, clock, qmp } = await connected();
    const slow = qmp.execute('slow');
    const { id } = await monitor.next();
    const given = expect(slow).rejects.toMatchObject({ code: 'QMP_TIMEOUT', data: { command: 'slow' } });
    await clock.advance(limits.qmp_command_ms);
    await given;
    monitor.say({ return: {}, id });
    const next = qmp.execute('next');
    monitor.say({ return: 1, id: (await monitor.next()).id });
    expect(await next).toBe(1);
  });

  it('has qmp_commands_in_flight commands under way at the most', async () => {
    Object.assign(limits, { qmp_commands_in_flight: 1 });
    const { monitor, qmp } = await connected();
    const both = Promise.all([qmp.execute('a'), qmp.execute('b')]);
    const { id } = await monitor.next();
    expect(monitor.asked.map(({ execute }) => execute)).toEqual(['qmp_capabilities', 'a']);
    monitor.say({ return: 1, id });
    monitor.say({ return: 2, id: (await monitor.next()).id });
    expect(await both).toEqual([1, 2]);
  });

  it.each([
    ['a line longer than qmp_line_bytes_max', (monitor: Monitor) => monitor.write('x'.repeat(100_001))],
    ['what is no JSON', (monitor: Monitor) => monitor.write('(qemu) \n')],
    ['an answer to nothing', (monitor: Monitor) => monitor.say({ return: {}, id: 99 })],
    ['an answer without an id', (monitor: Monitor) => monitor.say({ error: { class: 'GenericError', desc: 'JSON' } })],
  ])('refuses %s, and whoever waits hears of it', async (_, misbehave) => {
    Object.assign(limits, { qmp_line_bytes_max: 100_000 });
    const { monitor, qmp } = await connected();
    const [command, event] = [qmp.execute('a'), qmp.waitFor('STOP', () => true, never)];
    misbehave(monitor);
    for (const each of [command, event, qmp.execute('b')])
      await expect(each).rejects.toMatchObject({ code: 'QMP_REFUSED' });
    expect(qmp.ended.aborted).toBe(true);
  });

  it('tells everybody when the connection is lost', async () => {
    const { monitor, qmp } = await connected();
    const [command, event] = [qmp.execute('a'), qmp.waitFor('STOP', () => true, never)];
    monitor.close();
    for (const each of [command, event, qmp.execute('b')])
      await expect(each).rejects.toMatchObject({ code: 'QMP_LOST' });
  });

  it('tries again, each qmp_connect_retry_ms, until qmp_connect_ms have passed', async () => {
    const clock = createManualClock();
    let dials = 0;
    const dial = async () => {
      dials++;
      throw Object.assign(new Error('no such file'), { code: 'ENOENT' });
    };
    const gone = expect(connectQmp(dial, { clock, signal: never })).rejects.toMatchObject({
      code: 'QMP_UNREACHABLE',
      cause: { code: 'ENOENT' },
    });
    await clock.advance(limits.qmp_connect_ms);
    await gone;
    expect(dials).toBeGreaterThan(limits.qmp_connect_ms / limits.qmp_connect_retry_ms / 2);
  });

  it('gives up a monitor that somebody else uses: it does not greet', async () => {
    const clock = createManualClock();
    const silent = expect(connectQmp(async () => new Monitor().stream, { clock, signal: never })).rejects.toMatchObject(
      {
        code: 'QMP_UNREACHABLE',
      },
    );
    await clock.advance(limits.qmp_connect_ms);
    await silent;
  });
});

describeWithGuest('a real QEMU', () => {
  it('is spoken to, tells its schema within qmp_schema_entries_max, and its end', async () => {
    const guest = await startGuest(folder.at('.'), await makeChain(folder.at('.')));
    const qmp = await connectQmp(unixSocket(guest.socket), { clock: systemClock, signal: never });
    try {
      expect(await qmp.execute('query-status')).toMatchObject({ status: 'running' });
      await expect(qmp.execute('no-such-command')).rejects.toMatchObject({ data: { class: 'CommandNotFound' } });
      const schema = await qmp.schema();
      expect(schema.hasCommand('block-export-add')).toBe(true);
      expect(schema.hasCommand('block-export-sub')).toBe(false);
      expect(schema.hasArgument('block-export-add', 'allocation-depth')).toBe(true);
      expect(schema.hasArgument('block-export-add', 'colour')).toBe(false);
      expect(schema.hasVariant('transaction', 'actions', 'block-dirty-bitmap-disable')).toBe(true);
      expect(schema.hasVariant('transaction', 'actions', 'block-dirty-bitmap-paint')).toBe(false);
      const stopped = qmp.waitFor('STOP', () => true, never);
      await qmp.execute('stop');
      await stopped;
      await guest.written(0);
    } finally {
      await guest.end();
    }
    await expect(qmp.execute('query-status')).rejects.toMatchObject({ code: 'QMP_LOST' });
  });
});
