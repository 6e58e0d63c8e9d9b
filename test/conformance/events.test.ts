import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EventBridgeClient } from '@aws-sdk/client-eventbridge';
import { afterEach, describe, expect, it } from 'vitest';
import { createEvents } from '../../adapters/aws/events.ts';
import { createMemoryEvents } from '../../adapters/memory/events.ts';
import { systemClock } from '../../adapters/system/clock.ts';
import type { StateChanged } from '../../core/api/events.ts';
import { type BusEvent, createEvents as createBuses } from '../../localstack/events/api.ts';
import { type JsonServer, startJsonServer } from './support/json-server.ts';

const event: StateChanged = {
  type: 'layermover.migration.state-changed',
  version: 1,
  namespace: 'default',
  migration: `m${'0'.repeat(20)}`,
  run: 1,
  state: 'committed',
  to: 'b/h2',
  vms: [{ name: 'web-1', state: 'committed' }],
  atMs: 1_700_000_000_000,
};

describe('EventSink', () => {
  let server: JsonServer | undefined;
  const dir = mkdtempSync(join(tmpdir(), 'events-'));
  afterEach(async () => {
    await server?.close();
    server = undefined;
    rmSync(dir, { recursive: true, force: true });
  });

  it('keeps events in order in memory', async () => {
    const sink = createMemoryEvents();
    await sink.emit(event);
    await sink.emit({ ...event, state: 'failed' });
    expect(sink.emitted).toEqual([event, { ...event, state: 'failed' }]);
  });

  it('puts an event on its bus, and throws what the bus refuses', async () => {
    const clock = { nowMs: systemClock.nowMs, schedule: () => () => {} };
    const account = '000000000000';
    const buses = createBuses({
      buses: ['main'],
      account,
      region: 'eu-central-1',
      file: join(dir, 'log.jsonl'),
      clock,
    });
    const seen: [BusEvent, string][] = [];
    buses.subscribe((each, bus) => seen.push([each, bus]));
    server = await startJsonServer((_service, operation, body) => buses.call(operation, body));
    const client = new EventBridgeClient(server.config);
    await createEvents({ client, busName: 'main' }).emit(event);
    expect(seen).toMatchObject([[{ source: 'layermover', 'detail-type': event.type, detail: event }, 'main']]);
    const refused = createEvents({ client, busName: 'none' }).emit(event);
    await expect(refused).rejects.toMatchObject({ code: 'EVENT_REFUSED' });
    client.destroy();
  });
});
