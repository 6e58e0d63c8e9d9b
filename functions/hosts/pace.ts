import { limits } from '../../core/limits.ts';

/**
 * Says whether something that polls ask for again and again is due: it is if this copy of the function has not done it
 * for a while. Several copies do it oftener, which costs a little and harms nothing.
 */
export class Pace {
  readonly #everyMs: number;
  readonly #doneMs = new Map<string, number>();

  constructor(everyMs: number) {
    this.#everyMs = everyMs;
  }

  /** True if `key` is due at `nowMs`; it then counts as done. */
  due(key: string, nowMs: number): boolean {
    if (nowMs - (this.#doneMs.get(key) ?? Number.NEGATIVE_INFINITY) < this.#everyMs) return false;
    this.#doneMs.delete(key);
    this.#doneMs.set(key, nowMs);
    if (this.#doneMs.size > limits.paced_keys_max) this.#doneMs.delete(this.#doneMs.keys().next().value!);
    return true;
  }
}
