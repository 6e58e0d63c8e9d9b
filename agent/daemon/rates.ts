import { limitStore, Rate } from '../../adapters/rate.ts';
import type { TaskInput } from '../../core/api/tasks.ts';
import type { Clock } from '../../core/ports.ts';
import type { TaskRun } from '../tasks/task.ts';

interface Shared {
  readonly rate: Rate;
  users: number;
}

/** Holds the tasks of a migration, together, to what it may send a second. */
export class Rates {
  readonly #clock: Clock;
  readonly #shared = new Map<string, Shared>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Does a task that keeps to its migration's rate, if that has one. */
  async within<T>(input: TaskInput, run: TaskRun, work: (run: TaskRun) => Promise<T>): Promise<T> {
    const bytesPerSecond = 'max_rate_bytes_per_second' in input ? input.max_rate_bytes_per_second : undefined;
    if (bytesPerSecond === undefined) return await work(run);
    const { migration } = input;
    const shared = this.#shared.get(migration) ?? { rate: new Rate(bytesPerSecond, this.#clock), users: 0 };
    this.#shared.set(migration, shared);
    shared.users += 1;
    try {
      const limit = { rate: shared.rate, unlimited: run.store };
      return await work({ ...run, store: limitStore(run.store, shared.rate, run.cut), limit });
    } finally {
      shared.users -= 1;
      if (shared.users === 0) this.#shared.delete(migration);
    }
  }
}
