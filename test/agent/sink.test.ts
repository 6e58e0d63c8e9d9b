import { expect, it } from 'vitest';
import { createSink } from '../../agent/tasks/sink.ts';
import { surveyed, transfer } from '../functions/support/samples.ts';

/** A cutover of a running VM pushes several times within one task: what it commits bears the numbers of its pushes. */
it('a round keeps the number that its push has given it, whichever sink of the task it goes through', async () => {
  const said: unknown[] = [];
  const api = { call: async (_: string, { body }: { body: { sequence: number } }) => void said.push(body.sequence) };
  const sink = () =>
    createSink(
      { api, namespace: 'default' } as never,
      { task: 'task', attempt: 1, store: {} } as never,
      'm',
      transfer('ud:web-1', 'direct', surveyed('ud', 'web-1', null)),
    );
  await sink().commit({ sequence: 0, segments: [] });
  await sink().commit({ sequence: 1, segments: [] });
  await sink().commit({ sequence: 2, segments: [] });
  expect(said).toEqual([0, 1, 2]);
});
