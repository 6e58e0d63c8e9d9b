import { afterAll, beforeAll, expect, it } from 'vitest';
import { createGranter } from '../../adapters/aws/granter.ts';
import { createGrantedObjectStore } from '../../adapters/aws/object-store.ts';
import { systemClock } from '../../adapters/system/clock.ts';
import { systemRandom } from '../../adapters/system/random.ts';
import type { TaskInput } from '../../core/api/tasks.ts';
import { rightsOf } from '../../functions/tasks/grant.ts';
import { cutover, follow, publishing, seed } from '../functions/support/samples.ts';
import { type S3Cloud, startS3 } from './support/objects.ts';
import { fresh } from './support/samples.ts';

/** What the session of each task may do with objects, asked of the embedded S3 and STS, which enforce its policy. */
let cloud: S3Cloud;
beforeAll(async () => {
  cloud = await startS3();
});
afterAll(() => cloud.close());

const WHOLE = { bytesMax: 1024 };
const MIGRATION = `m${'1'.repeat(20)}`;
const sessionOf = (input: TaskInput, namespace = 'mine') => {
  const task = { namespace, migration: MIGRATION, input };
  const renew = () => cloud.granter.grant('a task', rightsOf(task));
  return createGrantedObjectStore({ renew, clock: systemClock, random: systemRandom });
};
const REFUSED = { code: 'OBJECT_REFUSED' };
const MISSING = { code: 'OBJECT_MISSING' };

it('a task writes to no namespace but its own, and none of the others; what is published all may read', async () => {
  await cloud.here.put('ns/public/layers/aa/root', [Buffer.from('root')]);
  await cloud.here.put('ns/theirs/layers/aa/root', [Buffer.from('secret')]);
  for (const input of [seed(), cutover('web-1', 'dedup'), { ...seed(), kind: 'fetch' as const }, follow('web-1')]) {
    const store = sessionOf(input);
    for (const key of ['ns/public/packs/aa/x', 'ns/public/layers/aa/x', 'ns/theirs/packs/aa/x', 'public/packs/aa/x'])
      await expect(store.put(key, [Buffer.from('x')]), `${input.kind} ${key}`).rejects.toMatchObject(REFUSED);
    expect(Buffer.from(await store.get('ns/public/layers/aa/root', WHOLE)).toString()).toBe('root');
    await expect(store.get('ns/theirs/layers/aa/root', WHOLE)).rejects.toMatchObject(MISSING);
    store.close();
  }
});

it('the task that publishes creates what all may read, replaces none of it, and writes nowhere else', async () => {
  const store = sessionOf(publishing());
  const key = `ns/public/packs/${fresh('aa')}/x`;
  expect(await store.put(key, [Buffer.from('x')])).toBe('written');
  expect(await store.put(key, [Buffer.from('y')])).toBe('present');
  for (const other of ['ns/mine/packs/aa/x', 'ns/public/garbage/x', 'ns/public/x', `ns/mine/migrations/${MIGRATION}/x`])
    await expect(store.put(other, [Buffer.from('x')]), other).rejects.toMatchObject(REFUSED);
  store.close();
});

it('the longest names fit a session’s policy', async () => {
  const policies: string[] = [];
  const refuse = async ({ input }: { input: { Policy: string } }) => {
    policies.push(input.Policy);
    return {};
  };
  const granter = createGranter({
    client: { send: refuse } as never,
    roleArn: 'arn:aws:iam::111122223333:role/agent',
    keyArn: `arn:aws:kms:ap-southeast-4:111122223333:key/${'k'.repeat(36)}`,
    bucket: 'b'.repeat(63),
    region: 'ap-southeast-4',
  });
  const [layer] = seed().layers;
  const mixed = { ...seed(), layers: [layer!, { ...layer!, treatment: 'direct' as const }] };
  const namespace = 'n'.repeat(32);
  for (const input of [mixed, publishing(), follow('web-1')])
    await expect(granter.grant('s', rightsOf({ namespace, migration: MIGRATION, input }))).rejects.toMatchObject({
      message: 'STS gave no credentials',
    });
  expect(policies).toHaveLength(3);
});
