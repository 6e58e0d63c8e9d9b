import { expect, it } from 'vitest';
import { Room } from '../../agent/flow/room.ts';

const { signal } = new AbortController();

it('lends no more than it has, first come, first served', async () => {
  const room = new Room(10);
  const served: string[] = [];
  const take = (name: string, amount: number, until = signal) =>
    room.take(amount, until).then(
      () => void served.push(name),
      () => void served.push(`not ${name}`),
    );
  await take('six', 6);
  const large = take('five', 5);
  const small = take('one', 1);
  await Promise.resolve();
  // One would fit, but it came later.
  expect(served).toEqual(['six']);
  room.give(1);
  await Promise.all([large]);
  expect(served).toEqual(['six', 'five']);
  room.give(5);
  await small;
  expect(served).toEqual(['six', 'five', 'one']);
});

it('lets those behind go on when somebody waits no longer', async () => {
  const room = new Room(4);
  const leaving = new AbortController();
  await room.take(2, signal);
  const large = room.take(3, leaving.signal);
  const small = room.take(2, signal);
  leaving.abort(new Error('no longer'));
  await expect(large).rejects.toThrow('no longer');
  await small;
  await expect(room.take(1, leaving.signal)).rejects.toThrow('no longer');
  room.give(4);
  await room.take(4, signal);
});
