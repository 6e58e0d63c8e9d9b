import type { Incoming } from '../../core/api/agent.ts';
import type { Cutover } from '../../core/api/tasks.ts';
import { Stop } from '../flow/stop.ts';

/** Of each stream the last round that was committed, as far as it is known. */
export type Cursors = ReadonlyMap<string, string | undefined>;

/** The destination's words that it can take a VM, read by one reader: each is heard once, and polls ask for newer ones alone. */
export class IncomingWords {
  readonly #words: AsyncIterator<Incoming>;
  readonly #stop: Stop;
  #heard: Incoming | undefined;

  /** `signal` ends the words that `begin` gives. */
  constructor(begin: (signal: AbortSignal) => AsyncIterable<Incoming>, signal: AbortSignal) {
    this.#stop = new Stop(signal);
    this.#words = begin(this.#stop.signal)[Symbol.asyncIterator]();
  }

  /**
   * The word by which all up to the cursors, by stream, is written, heard before or still to come. Errors: the signal's
   * reason.
   */
  async until({ cursors, cutover }: { cursors: Cursors; cutover: Cutover }): Promise<Incoming> {
    for (;;) {
      const word = this.#heard;
      if (word !== undefined && hasAll(word, cursors) && (cutover === 'stop' || word.uri !== undefined)) return word;
      const next = await this.#words.next();
      if (next.done) throw this.#stop.signal.reason;
      this.#heard = next.value;
    }
  }

  /** Whoever still waits for a word waits no longer. */
  async close(): Promise<void> {
    this.#stop.fail(new Error('nobody waits for a word any more'));
    await this.#words.return?.();
  }
}

/** True if all up to these cursors is written by this word. */
export function hasAll({ applied }: Incoming, cursors: Cursors): boolean {
  return [...cursors].every(([stream, cursor]) => cursor === undefined || (applied?.[stream] ?? '') >= cursor);
}
