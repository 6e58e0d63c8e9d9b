import type { Workload } from './guest.ts';

/** How guests write. Rates in bytes a second, places in blocks. */
export const idle: Workload = { bytesPerSecond: () => 0, block: () => 0 };

/** Everywhere alike. */
export function random(rate: number, blocks: number): Workload {
  return { bytesPerSecond: () => rate, block: (chance) => Math.floor(chance() * blocks) };
}

/** One block after the other, around and around: a log, a backup. */
export function sequential(rate: number, blocks: number): Workload {
  let at = 0;
  return {
    bytesPerSecond: () => rate,
    block: () => {
      at = (at + 1) % blocks;
      return at;
    },
  };
}

/** Nine writes in ten go to the same few blocks: a database and its journal. */
export function hotSet(rate: number, hotBlocks: number, blocks: number): Workload {
  return {
    bytesPerSecond: () => rate,
    block: (chance) => (chance() < 0.9 ? Math.floor(chance() * hotBlocks) : Math.floor(chance() * blocks)),
  };
}

/** Writes for a while, then none for a while. */
export function bursts(rate: number, blocks: number, onMs: number, offMs: number): Workload {
  return { ...random(rate, blocks), bytesPerSecond: (atMs) => (atMs % (onMs + offMs) < onMs ? rate : 0) };
}
