import type { Random } from '../fuzz/random.ts';

/** A way to damage an object; `other` is another valid one of its kind. */
export interface Damage {
  readonly name: string;
  apply(bytes: Buffer, random: Random, other: Buffer): Buffer;
}

/** What happens to bytes: one flipped bit, cut short, emptied, replaced, trailing bytes. */
export const DAMAGES: readonly Damage[] = [
  { name: 'a flipped bit', apply: (bytes, random) => flip(bytes, random.below(bytes.length * 8)) },
  { name: 'cut short', apply: (bytes, random) => bytes.subarray(0, random.below(bytes.length)) },
  { name: 'emptied', apply: () => Buffer.alloc(0) },
  { name: 'replaced', apply: (_, __, other) => other },
  {
    name: 'trailing bytes',
    apply: (bytes, random) => Buffer.concat([bytes, Buffer.alloc(1 + random.below(64), random.below(256))]),
  },
];

export function flip(bytes: Buffer, bit: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[bit >> 3]! ^= 1 << (bit & 7);
  return copy;
}

/** The seed of this run: CORRUPTION_SEED, or another one each day. A failure's message names it. */
export const SEED = Number(process.env.CORRUPTION_SEED ?? Math.floor(Date.now() / 86_400_000));

/** How many times each damage is tried, times CORRUPTION_ROUNDS. */
export function rounds(count: number): number {
  return count * Number(process.env.CORRUPTION_ROUNDS ?? 1);
}
