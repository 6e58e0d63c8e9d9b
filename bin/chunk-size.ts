import { limits } from '../core/limits.ts';
import { usage } from './exit-codes.ts';

const UNITS: Readonly<Record<string, number>> = { '': 1, k: 1024, M: 1024 ** 2 };

/** A size of chunks or clusters in bytes, from words like `4k`, `65536` or `2M`, binary as QEMU's are. Throws USAGE. */
export function parseChunkSize(text: string, largest: number = limits.chunk_bytes_max): number {
  const [, amount, unit = ''] = /^(\d{1,9})([kM]?)$/.exec(text) ?? [];
  const size = amount === undefined ? Number.NaN : Number(amount) * UNITS[unit]!;
  if (Number.isInteger(Math.log2(size)) && size >= limits.chunk_bytes_min && size <= largest) return size;
  throw usage(`${text} is no size of chunks`, `a power of two from 4k to ${largest / 1024 ** 2}M, for instance 64k`);
}
