import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { BareJob } from './job.ts';

type Told<J extends BareJob> = J extends BareJob ? Omit<J, 'next'> : never;

/** Threads that run bare loops, started once, as the product's are. */
export class BareTeam {
  readonly #threads: readonly Worker[];

  constructor(threads: number) {
    this.#threads = Array.from({ length: threads }, () => new Worker(new URL('./thread.ts', import.meta.url)));
  }

  /** All threads together do the job once. */
  async run(job: Told<BareJob>): Promise<void> {
    const next = new SharedArrayBuffer(4);
    await Promise.all(
      this.#threads.map(async (thread) => {
        thread.postMessage({ ...job, next });
        await once(thread, 'message');
      }),
    );
  }

  async close(): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread.terminate()));
  }
}
