import type { StreamCounts } from '../../../core/api/tasks.ts';
import type { PushJournal } from '../../journal/push-journal.ts';
import { type SentRound, sendRound } from '../../tasks/send-round.ts';
import type { TaskRun } from '../../tasks/task.ts';
import type { CutoverOf } from './cutover-of.ts';

/** One that is under way. */
export interface Cutover extends CutoverOf {
  readonly rounds: CutoverRounds;
}

/** The rounds that a cutover makes itself, and what they tell of the pause to come. */
export class CutoverRounds {
  readonly #of: CutoverOf;
  readonly #journals: readonly PushJournal[];
  #sequence = 0;
  #count = 0;
  #last: SentRound | undefined;
  /** Bytes that were left to copy when the guest was looked at last. */
  remainingBytes = 0;

  constructor(of: CutoverOf, journals: readonly PushJournal[]) {
    this.#of = of;
    this.#journals = journals;
  }

  get last(): SentRound | undefined {
    return this.#last;
  }

  get streams(): StreamCounts[] {
    return this.#last === undefined ? [] : [...this.#last.streams];
  }

  /** Asks how much is left to copy. */
  async look(): Promise<number> {
    const { session, run } = this.#of;
    this.remainingBytes = await session.remainingBytes(run.signal);
    return this.remainingBytes;
  }

  /** One while the guest runs. Errors: those of sendRound. */
  async next(): Promise<void> {
    const { host, run, session } = this.#of;
    // A first round reads all of the disks; later ones are small, and nobody's turn is waited for.
    const send = () => this.#send(run, false);
    await (session.hasAll ? send() : host.places.source(run.signal, send));
  }

  /** The one that ends the streams: the guest is stopped, and waits for no rate. Errors: those of sendRound. */
  async end(signal: AbortSignal): Promise<SentRound> {
    const { run } = this.#of;
    return this.#send({ ...run, store: run.limit?.unlimited ?? run.store, signal, cut: signal }, true);
  }

  async #send(run: TaskRun, isLast: boolean): Promise<SentRound> {
    const { host, input, session } = this.#of;
    const wanted = { number: this.#count++, isLast, sequence: this.#sequence, journals: this.#journals };
    const sent = await sendRound(host, run, input, session, wanted);
    this.#sequence = sent.sequence;
    this.#last = sent;
    return sent;
  }
}
