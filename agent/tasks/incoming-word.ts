import type { Incoming } from '../../core/api/agent.ts';
import type { Cutover } from '../../core/api/tasks.ts';

/** Of each stream the last round that was committed, as far as it is known. */
export type Cursors = ReadonlyMap<string, string | undefined>;

/** The destination's words that it can take a VM, read by one reader: each is heard once, and polls ask for newer ones alone. */
export class IncomingWords {
  readonly #words: AsyncIterator<Incoming>;
  readonly #signal: AbortSignal;
  #heard: Incoming | undefined;

  /** `signal` ends the words. */
  constructor(words: AsyncIterable<Incoming>, signal: AbortSignal) {
    this.#words = words[Symbol.asyncIterator]();
    this.#signal = signal;
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
      if (next.done) throw this.#signal.reason;
      this.#heard = next.value;
    }
  }

  async close(): Promise<void> {
    await this.#words.return?.();
  }
}

/** True if all up to these cursors is written by this word. */
export function hasAll({ applied }: Incoming, cursors: Cursors): boolean {
  return [...cursors].every(([stream, cursor]) => cursor === undefined || (applied?.[stream] ?? '') >= cursor);
}
