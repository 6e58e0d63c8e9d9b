import { beforeEach, expect, it } from 'vitest';
import { createManualClock } from '../../adapters/memory/manual-clock.ts';
import { objectKey } from '../../core/format/keys.ts';
import { limits } from '../../core/limits.ts';
import { createHandler } from '../../functions/gc/handler.ts';
import { createTestCloud } from '../functions/support/cloud.ts';
import { userArn } from '../functions/support/event.ts';
import { id } from '../functions/support/samples.ts';
import { newId } from './support.ts';

/** What garbage collection tells whoever operates it. */
const ROOT = 'root';
let cloud: ReturnType<typeof createTestCloud<ReturnType<typeof createManualClock>>>;
beforeEach(async () => {
  cloud = createTestCloud({ clock: createManualClock() });
  await cloud.objects.put(objectKey('ns/default', 'layers', id('a root that nothing needs')), [Buffer.from(ROOT)]);
});

const random = { bytes: (count: number) => Buffer.alloc(count, 1) };
const pages = () => createHandler({ ...cloud, random, sampling: 1, layerUnusedDays: 180 });
const linesOf = (message: string) => cloud.lines.filter((line) => line.message === message);
const measured = () => Object.fromEntries(cloud.measured.splice(0).map(([name, value]) => [name, value]));

async function collect(dryRun = false): Promise<string> {
  const about = { namespace: 'default', collection: newId() };
  await pages()({ step: 'begin', ...about, dry_run: dryRun });
  while (((await pages()({ step: 'collect', ...about })) as { more: boolean }).more);
  return about.collection;
}

it('measures what something needs, what waits and what went, and says which collection it was', async () => {
  const collection = await collect();
  expect(measured()).toEqual({ NeededBytes: 0, IdleBytes: ROOT.length, RemovedBytes: 0 });
  expect(linesOf('collection done')).toMatchObject([{ namespace: 'default', collection, step: 'collect' }]);
  await cloud.clock.advance(limits.garbage_grace_ms + 1);
  await collect(true);
  expect(measured()).toEqual({ NeededBytes: 0, IdleBytes: ROOT.length });
  await collect();
  expect(measured()).toEqual({ NeededBytes: 0, IdleBytes: 0, RemovedBytes: ROOT.length });
});

it('names the collection in the lines of a call that asks for one, and of one that failed', async () => {
  const collection = newId();
  const asked = { body: { id: collection }, caller: userArn('operator') };
  expect((await cloud.send('collectGarbage', asked)).statusCode).toBe(200);
  expect(linesOf('answered')).toMatchObject([{ call: 'collectGarbage', collection }]);
  const error = { Error: 'COLLECTION_UNSURE', Cause: JSON.stringify({ code: 'COLLECTION_UNSURE', message: 'a root' }) };
  await pages()({ step: 'give-up', namespace: 'default', collection, error });
  expect(linesOf('collection failed')).toMatchObject([{ collection, code: expect.any(String) }]);
});
