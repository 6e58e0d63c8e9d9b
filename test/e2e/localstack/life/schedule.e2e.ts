import { afterAll, beforeAll, expect, it } from 'vitest';
import { MOVED, ScheduledMove } from '../../scheduled.ts';

/** The stack's next version, which update.e2e.ts has deployed, has a schedule. LocalStack looks at its schedules once a minute. */
const COMES_MS_MAX = 150_000;

let move: ScheduledMove;
beforeAll(async () => {
  move = await ScheduledMove.open();
});
afterAll(() => move?.close());

it('a host is evacuated when its time comes, and nobody asks for it', async () => {
  expect(await move.arrived(COMES_MS_MAX)).toEqual(MOVED);
});
