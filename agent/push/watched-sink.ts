import type { BatchAnswer } from '../../core/format/batch.ts';
import { abortable } from '../flow/abortable.ts';
import type { Counter } from './counts.ts';
import type { ObjectKind, PushRound, PushSink } from './port.ts';

/** A sink whose calls nobody waits for once the push has stopped, and whose bytes are counted. */
export class WatchedSink implements PushSink {
  readonly #sink: PushSink;
  readonly #signal: AbortSignal;
  readonly #counter: Counter;

  constructor(sink: PushSink, signal: AbortSignal, counter: Counter) {
    this.#sink = sink;
    this.#signal = signal;
    this.#counter = counter;
  }

  check(fingerprints: Uint8Array): Promise<BatchAnswer> {
    this.#counter.add({ wireBytes: fingerprints.length });
    return this.#call(() => this.#sink.check(fingerprints));
  }

  async put(kind: ObjectKind, id: string, parts: readonly Uint8Array[]): Promise<'written' | 'present'> {
    const bytes = parts.reduce((sum, part) => sum + part.length, 0);
    const outcome = await this.#call(() => this.#sink.put(kind, id, parts));
    const isNewPack = kind === 'packs' && outcome === 'written';
    this.#counter.add({ wireBytes: bytes, storedBytes: isNewPack ? bytes : 0 });
    return outcome;
  }

  announce(packs: readonly string[], release?: string): Promise<void> {
    return this.#call(() => this.#sink.announce(packs, release));
  }

  commit(round: PushRound): Promise<void> {
    return this.#call(() => this.#sink.commit(round));
  }

  async #call<T>(call: () => Promise<T>): Promise<T> {
    this.#signal.throwIfAborted();
    return abortable(call(), this.#signal);
  }
}
