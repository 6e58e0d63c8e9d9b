import { sha256 } from '../../../core/fingerprint.ts';

/** Chance from a seed. Source of the generator: sfc32 of PractRand. */
export class Dice {
  readonly #seed: string;
  readonly #state: Uint32Array;

  constructor(seed: string) {
    this.#seed = seed;
    const bytes = sha256(Buffer.from(seed));
    this.#state = Uint32Array.from([0, 4, 8, 12], (at) => bytes.readUInt32LE(at));
  }

  /** Dice of their own for one purpose: what is drawn from them moves nothing else. */
  fork(purpose: string): Dice {
    return new Dice(`${this.#seed} ${purpose}`);
  }

  /** Uniform in [0, 1). */
  next(): number {
    const s = this.#state;
    const t = (((s[0]! + s[1]!) | 0) + s[3]!) | 0;
    s[3] = s[3]! + 1;
    s[0] = s[1]! ^ (s[1]! >>> 9);
    s[1] = s[2]! + (s[2]! << 3);
    s[2] = (s[2]! << 21) | (s[2]! >>> 11);
    s[2] = s[2]! + t;
    return (t >>> 0) / 2 ** 32;
  }

  chance(probability: number): boolean {
    return probability > 0 && this.next() < probability;
  }

  /** A whole number in [from, to]. */
  int(from: number, to: number): number {
    return from + Math.floor(this.next() * (to - from + 1));
  }

  /** Between two bounds, each order of magnitude alike. */
  scale(from: number, to: number): number {
    return from * (to / from) ** this.next();
  }

  pick<T>(items: readonly T[]): T {
    return items[this.int(0, items.length - 1)]!;
  }

  bytes(count: number): Buffer {
    const bytes = Buffer.alloc(count);
    for (let at = 0; at < count; at++) bytes[at] = this.int(0, 255);
    return bytes;
  }
}
