import { randomUUID } from 'node:crypto';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { HOST_EVACUATE, MIGRATION_REQUESTED } from '../../core/api/events.ts';
import type { MigrationView } from '../../core/api/views.ts';
import { hasCode } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import { migrationIdOf } from '../../functions/migrations/create.ts';
import type { AgentProcess } from './agent-process.ts';
import { compare, makeLayers } from './chain.ts';
import { untilEnded } from './migrations.ts';
import { type Observer, until } from './observed.ts';
import { observe } from './observer.ts';
import { Services } from './services.ts';
import { Stage } from './stage.ts';

/** Migrations that events ask for: doubled, late, in a wrong order and malformed ones, too. */
const ARRIVAL_MS_MAX = 120_000;
const VMS = ['by-event', 'by-object', 'left-1', 'left-2'];
/** Lambda waits a minute before it tries an event again, and two before the last time. */
const REFUSED_MS_MAX = 300_000;
/** Events below on which the function fails, however often it gets them. */
const FAILING = 6;

let stage: Stage;
let services: Services;
let a: AgentProcess;
let b: AgentProcess;
let observer: Observer;

beforeAll(async () => {
  stage = await Stage.open();
  services = new Services(stage.cloud);
  observer = await observe(stage);
  misled = { ...detail({ request_id: `misled-${randomUUID()}`, vms: ['asked-again'] }), to: 'c/nobody' };
  [a, b] = [await stage.host('a', 'h1'), await stage.host('b', 'h2')];
  await makeLayers(
    a.images,
    VMS.map((vm) => ({ name: `${vm}.qcow2`, at: 0, megabytes: 2 })),
  );
  await makeLayers(b.images, [{ name: 'asked-again.qcow2', at: 0, megabytes: 2 }]);
  await Promise.all([a, b].map((each) => each.start()));
});
afterAll(async () => {
  services.close();
  await observer?.close();
  await stage.close();
});

/** Asks for a host that there is not. */
let misled: { readonly request_id: string; readonly to: string };

const detail = <Fields extends object>(fields: Fields) => ({ namespace: stage.cloud.namespace, to: 'b/h2', ...fields });

/** The migration that a request id names, once an event has asked for it, at its end. */
async function outcome(requestId: string): Promise<MigrationView> {
  const id = migrationIdOf(stage.cloud.namespace, requestId);
  const end = performance.now() + ARRIVAL_MS_MAX;
  for (;;) {
    try {
      return await untilEnded(stage.api, id);
    } catch (error) {
      if (!hasCode(error, 'MIGRATION_UNKNOWN') || performance.now() > end) throw error;
      await sleep(250);
    }
  }
}

async function expectMoved(requestId: string, vms: readonly string[]): Promise<void> {
  const view = await outcome(requestId);
  expect([view.state, view.vm_names]).toEqual(['committed', vms]);
  for (const vm of vms) await compare(path.join(a.images, `${vm}.qcow2`), path.join(b.images, `${vm}.qcow2`));
}

async function migrations(): Promise<string[]> {
  const { migrations: found } = await stage.api.call('listMigrations', { query: { limit: 100 } });
  return found.map(({ id }) => id);
}

it('an event on the bus moves a VM once, however often it comes', async () => {
  const request = detail({ request_id: `event-${randomUUID()}`, vms: ['by-event'] });
  await Promise.all([services.emit(MIGRATION_REQUESTED, request), services.emit(MIGRATION_REQUESTED, request)]);
  await expectMoved(request.request_id, ['by-event']);
  await services.emit(MIGRATION_REQUESTED, request);
  expect(await migrations()).toHaveLength(1);
});

it('an object in the bucket does; the same object again changes nothing', async () => {
  const request = detail({ type: MIGRATION_REQUESTED, request_id: `object-${randomUUID()}`, vms: ['by-object'] });
  const key = `requests/${stage.cloud.namespace}/move.json`;
  await services.put(key, JSON.stringify(request));
  await expectMoved(request.request_id, ['by-object']);
  await services.put(key, JSON.stringify(request));
  expect(await migrations()).toHaveLength(2);
});

it('those that fail are passed over, and those behind them are answered', async () => {
  await services.emit(MIGRATION_REQUESTED, { vms: `all of ${stage.cloud.namespace}` });
  await services.emit(MIGRATION_REQUESTED, detail({ request_id: 'no', vms: [] }));
  await services.emit(MIGRATION_REQUESTED, misled);
  await services.emit(HOST_EVACUATE, detail({ from: 'nowhere' }));
  await services.put(`requests/${stage.cloud.namespace}/torn.json`, '{"type":');
  await services.put(`requests/${stage.cloud.namespace}/not-one.txt`, 'hello');
  const request = detail({ request_id: `evacuate-${randomUUID()}`, from: a.ref });
  await services.emit(HOST_EVACUATE, request);
  await expectMoved(`${request.request_id}.0`, ['left-1', 'left-2']);
  expect(await migrations()).toHaveLength(3);
});

it('one that comes late, when its VM has gone elsewhere, moves nothing', async () => {
  const late = detail({ request_id: `late-${randomUUID()}`, from: a.ref, vms: ['left-1'] });
  await services.emit(MIGRATION_REQUESTED, late);
  const { state, error } = await outcome(late.request_id);
  expect([state, error?.code]).toEqual(['failed', 'VM_ALREADY_THERE']);
  await compare(path.join(a.images, 'left-1.qcow2'), path.join(b.images, 'left-1.qcow2'));
});

it(
  'those that failed for good lie in the queue, with why and how often they were tried; one that is mended is answered',
  async () => {
    const found = await until(
      () => observer.refused(),
      (refused) => refused.length >= FAILING,
      REFUSED_MS_MAX,
    );
    expect(found).toHaveLength(FAILING);
    for (const { requestContext } of found)
      expect(requestContext).toMatchObject({
        condition: 'RetriesExhausted',
        approximateInvokeCount: limits.event_attempts_max,
      });
    const kept = found.find(({ requestPayload }) => requestPayload.detail.request_id === misled.request_id)!;
    expect(kept.responsePayload.errorMessage).toContain('c/nobody');
    await services.emit(MIGRATION_REQUESTED, { ...kept.requestPayload.detail, to: a.ref });
    const { state, vm_names } = await outcome(misled.request_id);
    expect([state, vm_names]).toEqual(['committed', ['asked-again']]);
    await compare(path.join(b.images, 'asked-again.qcow2'), path.join(a.images, 'asked-again.qcow2'));
  },
  REFUSED_MS_MAX + 2 * ARRIVAL_MS_MAX,
);
