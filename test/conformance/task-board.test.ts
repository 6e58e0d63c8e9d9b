import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TaskOutcome } from '../../core/task.ts';
import { type TableCloud, tableClouds } from './support/clouds.ts';
import { freshMigration, postedTask } from './support/samples.ts';

const ONE = '1'.repeat(16);
const TWO = '2'.repeat(16);
const done: TaskOutcome = { status: 'done', result: { kind: 'survey', vms: [] } };
const postedMs: unknown = expect.any(Number);
const failed = { status: 'failed', error: { code: 'LAYER_CHANGED', message: 'it did' } } as const;

describe.each(tableClouds)('TaskBoard on $name', ({ start }) => {
  let cloud: TableCloud;
  beforeAll(async () => {
    cloud = await start();
  });
  afterAll(() => cloud.close());

  async function posted(what = 'a.h1', token = 'token 1') {
    const task = postedTask(freshMigration(), what, token);
    expect(await cloud.here.tasks.post(task)).toBe(1);
    return task;
  }
  const either = (i: number) => (i % 2 === 0 ? cloud.here : cloud.there).tasks;

  it('posts a task that waits, and finds it for its host and its migration', async () => {
    const task = await posted();
    const waiting = { ...task, attempt: 1, state: 'waiting', postedMs };
    expect(await cloud.there.tasks.find(task.id)).toEqual(waiting);
    expect(await cloud.there.tasks.open('default', 'a/h1')).toContainEqual(waiting);
    expect(await cloud.there.tasks.ofMigration(task.migration)).toEqual([waiting]);
    expect(await cloud.here.tasks.open('other', 'a/h1')).toEqual([]);
    expect(await cloud.here.tasks.open('default', 'a/h2')).toEqual([]);
    expect(await cloud.here.tasks.find(`${freshMigration()}.survey.x`)).toBeUndefined();
  });

  it('the same token again is the same attempt; a fresh one begins another', async () => {
    const task = await posted();
    expect(await cloud.here.tasks.take(task.id, ONE)).toBe(1);
    expect(await cloud.there.tasks.post(task)).toBe(1);
    expect(await cloud.here.tasks.find(task.id)).toMatchObject({ state: 'running', instance: ONE });
    expect(await cloud.there.tasks.post({ ...task, token: 'token 2' })).toBe(2);
    expect(await cloud.here.tasks.find(task.id)).toEqual({
      ...task,
      token: 'token 2',
      attempt: 2,
      state: 'waiting',
      postedMs,
    });
  });

  it('a fresh token opens a closed task anew, the old one does not', async () => {
    const task = await posted();
    expect(await cloud.here.tasks.close(task.id, 1, failed)).toBe(true);
    expect(await cloud.here.tasks.post(task)).toBe(1);
    expect(await cloud.here.tasks.open('default', 'a/h1')).not.toContainEqual(expect.objectContaining({ id: task.id }));
    expect(await cloud.here.tasks.post({ ...task, token: 'token 2' })).toBe(2);
    const reopened = { ...task, token: 'token 2', attempt: 2, state: 'waiting', postedMs };
    expect(await cloud.here.tasks.open('default', 'a/h1')).toContainEqual(reopened);
    expect(await cloud.here.tasks.close(task.id, 1, failed), 'the old attempt').toBe(false);
  });

  it('hands a task to one run, again with the same attempt, and to another with the next', async () => {
    const task = await posted();
    expect(await cloud.here.tasks.take(task.id, ONE)).toBe(1);
    expect(await cloud.there.tasks.take(task.id, ONE)).toBe(1);
    expect(await cloud.there.tasks.take(task.id, TWO)).toBe(2);
    expect(await cloud.here.tasks.find(task.id)).toMatchObject({ state: 'running', instance: TWO, attempt: 2 });
    expect(await cloud.here.tasks.take(`${freshMigration()}.survey.x`, ONE)).toBeUndefined();
  });

  it('closes an attempt once, with one outcome', async () => {
    const task = await posted();
    await cloud.here.tasks.take(task.id, ONE);
    expect(await cloud.here.tasks.close(task.id, 2, done)).toBe(false);
    expect(await cloud.here.tasks.close(task.id, 1, done)).toBe(true);
    expect(await cloud.there.tasks.close(task.id, 1, done)).toBe(true);
    expect(await cloud.there.tasks.close(task.id, 1, failed)).toBe(false);
    expect(await cloud.here.tasks.find(task.id)).toMatchObject({ state: 'closed', outcome: done });
    expect(await cloud.here.tasks.take(task.id, ONE)).toBeUndefined();
    expect(await cloud.here.tasks.close(`${freshMigration()}.survey.x`, 1, done)).toBe(false);
    expect(await cloud.here.tasks.ofMigration(task.migration)).toHaveLength(1);
  });

  it('takes an error with fields that are undefined for the same error', async () => {
    const task = await posted();
    const outcome = { status: 'failed', error: { code: 'X', message: 'y', data: { a: undefined } } } as const;
    expect(await cloud.here.tasks.close(task.id, 1, outcome)).toBe(true);
    expect(await cloud.here.tasks.close(task.id, 1, outcome)).toBe(true);
  });

  it('cancels what is open, whatever its attempt, and leaves what is closed', async () => {
    const [open, closed] = [await posted(), await posted()];
    await cloud.here.tasks.take(open.id, ONE);
    await cloud.here.tasks.take(open.id, TWO);
    await cloud.here.tasks.close(closed.id, 1, done);
    for (const { id } of [open, open, closed]) await cloud.there.tasks.cancel(id);
    expect(await cloud.here.tasks.find(open.id)).toMatchObject({ state: 'closed', outcome: { status: 'cancelled' } });
    expect(await cloud.here.tasks.find(closed.id)).toMatchObject({ state: 'closed', outcome: done });
    expect(await cloud.here.tasks.close(open.id, 2, done), 'a report that comes too late').toBe(false);
    await cloud.here.tasks.cancel(`${freshMigration()}.survey.x`);
  });

  it('gives each of two runs that take a task at the same time an attempt of its own', async () => {
    for (let round = 0; round < 5; round += 1) {
      const task = await posted();
      const attempts = await Promise.all([cloud.here.tasks.take(task.id, ONE), cloud.there.tasks.take(task.id, TWO)]);
      expect([...attempts].sort()).toEqual([1, 2]);
      const holder = attempts[0] === 2 ? ONE : TWO;
      expect(await cloud.here.tasks.find(task.id)).toMatchObject({ attempt: 2, instance: holder });
    }
  });

  it('of two outcomes at the same time one stands', async () => {
    for (let round = 0; round < 5; round += 1) {
      const task = await posted();
      const answers = await Promise.all([
        cloud.here.tasks.close(task.id, 1, done),
        cloud.there.tasks.close(task.id, 1, failed),
      ]);
      expect([...answers].sort()).toEqual([false, true]);
      expect((await cloud.here.tasks.find(task.id))?.outcome).toEqual(answers[0] ? done : failed);
    }
  });

  it('a take-over and a report at the same time: the report stands or its attempt is over', async () => {
    for (let round = 0; round < 8; round += 1) {
      const task = await posted();
      await cloud.here.tasks.take(task.id, ONE);
      const [attempt, closed] = await Promise.all([
        cloud.here.tasks.take(task.id, TWO),
        cloud.there.tasks.close(task.id, 1, done),
      ]);
      expect([attempt, closed]).toEqual(closed ? [undefined, true] : [2, false]);
    }
  });

  it('counts every fresh token posted at the same time', async () => {
    const task = await posted();
    const attempts = await Promise.all(
      Array.from({ length: 5 }, (_, i) => either(i).post({ ...task, token: `fresh ${i}` })),
    );
    expect([...attempts].sort()).toEqual([2, 3, 4, 5, 6]);
  });
});
