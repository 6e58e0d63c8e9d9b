import type { Clock } from '../../core/ports.ts';
import { Bell } from './bell.ts';

interface Waiting<Word> {
  readonly migration: string;
  readonly vm: string;
  readonly arrived: Bell;
  /** The last word that was read. */
  heard?: Word;
  unread?: Word;
  sinceMs?: number | undefined;
}

/** One kind of news of VMs that tasks wait for, each VM by one task. Only the latest word of a VM is kept. */
export class Awaited<Word> {
  readonly #clock: Clock;
  readonly #wake: Bell;
  readonly #waiting = new Map<string, Waiting<Word>>();

  /** Rings `wake` when a task begins to wait. */
  constructor(clock: Clock, wake: Bell) {
    this.#clock = clock;
    this.#wake = wake;
  }

  /** The VM's words until the reader stops. */
  async *words(migration: string, vm: string, signal: AbortSignal): AsyncGenerator<Word> {
    const key = keyOf(migration, vm);
    const waiting: Waiting<Word> = { migration, vm, arrived: new Bell() };
    this.#waiting.set(key, waiting);
    try {
      for (;;) yield await this.#next(waiting, signal);
    } finally {
      this.#waiting.delete(key);
    }
  }

  /** The VM's next word. */
  async one(migration: string, vm: string, signal: AbortSignal): Promise<Word> {
    for await (const word of this.words(migration, vm, signal)) return word;
    throw signal.reason;
  }

  deliver(migration: string, vm: string, word: Word): void {
    const waiting = this.#waiting.get(keyOf(migration, vm));
    if (waiting === undefined) return;
    waiting.unread = word;
    waiting.heard = word;
    waiting.arrived.ring();
  }

  /** The VMs that are waited for. */
  list(): { migration: string; vm: string; heard?: Word }[] {
    return [...this.#waiting.values()].map(({ migration, vm, heard }) => ({
      migration,
      vm,
      ...(heard === undefined ? {} : { heard }),
    }));
  }

  /** Since when each of those has waited that have nothing to read. */
  sinceMs(): number[] {
    return [...this.#waiting.values()].map(({ sinceMs }) => sinceMs).filter((ms) => ms !== undefined);
  }

  async #next(waiting: Waiting<Word>, signal: AbortSignal): Promise<Word> {
    waiting.sinceMs = this.#clock.nowMs();
    if (waiting.unread === undefined) this.#wake.ring();
    try {
      while (waiting.unread === undefined) await waiting.arrived.wait(signal);
      return waiting.unread;
    } finally {
      delete waiting.unread;
      waiting.sinceMs = undefined;
    }
  }
}

function keyOf(migration: string, vm: string): string {
  return `${migration} ${vm}`;
}
