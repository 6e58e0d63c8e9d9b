import { Slots } from '../flow/slots.ts';
import type { Places } from '../tasks/task.ts';

/** Room for `count` at a time; the others wait their turn. */
export function createPlaces(count: number): Places {
  const slots = Slots.count(count);
  return async (signal, work) => {
    const slot = await slots.take(signal);
    try {
      return await work();
    } finally {
      slots.give(slot);
    }
  };
}
