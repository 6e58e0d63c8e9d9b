import { Slots } from '../flow/slots.ts';
import type { Places } from '../tasks/task.ts';

/** Room for `count` at a time; the others wait their turn. Whoever needs its place no longer may leave it before its work ends. */
export function createPlaces(count: number): Places {
  const slots = Slots.count(count);
  return async (signal, work) => {
    const slot = await slots.take(signal);
    let isLeft = false;
    const leave = () => {
      if (!isLeft) slots.give(slot);
      isLeft = true;
    };
    try {
      return await work(leave);
    } finally {
      leave();
    }
  };
}
