import { limits } from '../core/limits.ts';
import { usage } from './exit-codes.ts';

const UNITS: Readonly<Record<string, number>> = { '': 1, k: 1e3, M: 1e6, G: 1e9 };

/** A rate in bytes a second from words like `800k`, `100M` or `1.5G`, decimal as links are. Throws USAGE. */
export function parseRate(text: string): number {
  const [, amount, unit = ''] = /^(\d{1,12}(?:\.\d{1,3})?)([kMG]?)$/.exec(text) ?? [];
  const rate = amount === undefined ? Number.NaN : Math.floor(Number(amount) * UNITS[unit]!);
  if (rate >= limits.rate_bytes_per_second_min && Number.isSafeInteger(rate)) return rate;
  const least = `${Math.ceil(limits.rate_bytes_per_second_min / 1000)}k`;
  throw usage(`${text} is no rate`, `bytes a second, for instance 800k, 100M or 1.5G; ${least} at the least`);
}
