import type { Incoming } from '../../../core/api/agent.ts';
import type { TaskHost, TaskRun } from '../../tasks/task.ts';

/**
 * Tells the source what the destination has applied, and where its QEMU listens. One call at a time: words that come
 * meanwhile are told by the next one, the latest alone. What the API refuses fails `failed`.
 */
export class Announcer {
  /** Rejects when a word could not be told; never resolves. */
  readonly failed: Promise<never>;
  readonly #tell: (word: Incoming) => Promise<unknown>;
  readonly #fail: (error: unknown) => void;
  #word: Incoming = {};
  #isReady: boolean;
  #told: Incoming['applied'];
  #isTelling = false;

  /** `waits`: nothing is told before `listens` was called. */
  constructor({ api }: Pick<TaskHost, 'api'>, { task, attempt, signal }: TaskRun, { waits }: { waits: boolean }) {
    const { promise, reject } = Promise.withResolvers<never>();
    this.failed = promise;
    this.failed.catch(() => undefined);
    this.#fail = reject;
    this.#isReady = !waits;
    this.#tell = (word) => api.call('announceIncoming', { params: { task }, body: { attempt, ...word }, signal });
  }

  /** All rounds of a stream up to this cursor are written and read back. */
  applied(stream: string, cursor: string): void {
    this.#word = { ...this.#word, applied: { ...this.#word.applied, [stream]: cursor } };
    this.#go();
  }

  /** A QEMU waits for the guest at this place. */
  listens(uri: string): void {
    this.#word = { ...this.#word, uri };
    this.#isReady = true;
    this.#go();
  }

  #go(): void {
    if (this.#isTelling || !this.#isReady || this.#word.applied === this.#told) return;
    this.#isTelling = true;
    this.#told = this.#word.applied;
    this.#tell(this.#word).then(() => {
      this.#isTelling = false;
      this.#go();
    }, this.#fail);
  }
}
