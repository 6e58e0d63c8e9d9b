import { limits } from '../../core/limits.ts';
import type { Clock, ObjectStore } from '../../core/ports.ts';
import { Busy } from './busy.ts';
import type { Measures } from './measures.ts';

/** Measures what the link to the object store makes, from the transfers of all tasks. Small objects tell of calls, not of the link. */
export class LinkMeter {
  readonly #up: Busy;
  readonly #down: Busy;

  constructor(clock: Clock, measures: Pick<Measures, 'note'>) {
    this.#up = new Busy(clock, (rate, bytes) => measures.note('up', rate, bytes));
    this.#down = new Busy(clock, (rate, bytes) => measures.note('down', rate, bytes));
  }

  /** The same store, measured. */
  watch(store: ObjectStore): ObjectStore {
    return {
      tail: (key, bytes) => store.tail(key, bytes),
      get: (key, part) => {
        const get = () => store.get(key, part);
        const isLarge = 'length' in part && part.length >= limits.link_object_bytes_min;
        return isLarge ? this.#down.measure(get, (bytes) => bytes.length) : get();
      },
      put: (key, parts) => {
        const put = () => store.put(key, parts);
        const bytes = parts.reduce((sum, part) => sum + part.length, 0);
        const isLarge = bytes >= limits.link_object_bytes_min;
        return isLarge ? this.#up.measure(put, (outcome) => (outcome === 'written' ? bytes : 0)) : put();
      },
    };
  }
}
