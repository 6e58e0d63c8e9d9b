import { Random } from '../fuzz/random.ts';

const KiB = 1024;

/** All that can be chosen of a qcow2 image that is legal: the options of qemu-img, and what is put into it. */
export const OPTIONS = {
  compat: ['1.1', '0.10'],
  cluster: Array.from({ length: 13 }, (_, i) => String(512 * 2 ** i)),
  subclusters: ['off', 'on'],
  preallocation: ['off', 'metadata', 'falloc', 'full'],
  refcounts: ['16', '1', '2', '4', '8', '32', '64'],
  lazy: ['off', 'on'],
  compressed: ['none', 'zlib', 'zstd'],
  data: ['inside', 'external', 'external raw'],
  backing: ['none', 'raw short', 'raw long', 'qcow2 short', 'qcow2 long', 'qcow2 absolute'],
  inside: ['plain', 'snapshot', 'snapshot and more', 'bitmap'],
} as const satisfies Record<string, readonly string[]>;

type Name = keyof typeof OPTIONS;
type Values = { readonly [K in Name]: readonly (typeof OPTIONS)[K][number][] };

/** One image of the matrix: a value for each option. */
export type Row = { readonly [K in Name]: (typeof OPTIONS)[K][number] };

/** Whether QEMU makes such an image; options that are not chosen yet exclude nothing. */
function isLegal(row: Partial<Row>): boolean {
  const { compat, cluster, subclusters, preallocation, refcounts, lazy, compressed, data, backing, inside } = row;
  const is = <T>(value: T | undefined, ...allowed: T[]) => value === undefined || allowed.includes(value);
  const snapshot = inside?.startsWith('snapshot') === true;
  if (compat === '0.10') {
    const old = is(refcounts, '16') && is(lazy, 'off') && is(compressed, 'none', 'zlib') && is(data, 'inside');
    if (!old || !is(subclusters, 'off') || inside === 'bitmap') return false;
  }
  if (subclusters === 'on' && Number(cluster ?? Number.NaN) < 16 * KiB) return false;
  if (subclusters === 'off' && !is(preallocation, 'off') && !is(backing, 'none')) return false;
  if (!is(data, 'inside') && (!is(compressed, 'none') || snapshot)) return false;
  if (data === 'external raw' && !is(backing, 'none')) return false;
  // A snapshot counts every cluster once more, and compressed ones share clusters.
  if (snapshot && refcounts === '1') return false;
  return !(snapshot && !is(compressed, 'none') && !is(refcounts, '8', '16', '32', '64'));
}

/**
 * Rows in which every legal combination of values of any `strength` options occurs: a covering array, made greedily.
 * Source: Cohen et al., "The AETG system" (1997).
 */
export function coveringRows(strength: number, seed: number, values: Values = OPTIONS): Row[] {
  const random = new Random(seed);
  const names = Object.keys(values) as Name[];
  const missing = new Map<string, Partial<Row>>();
  for (const chosen of subsets(names, strength)) {
    for (const tuple of tuples(chosen, values)) if (isLegal(tuple)) missing.set(keyOf(tuple, chosen), tuple);
  }
  const rows: Row[] = [];
  for (const first of missing.values()) {
    const candidates = Array.from({ length: 12 }, () => complete(first, names, values, random)).filter((row) => !!row);
    const gains = candidates.map((row) => subsets(names, strength).filter((s) => missing.has(keyOf(row, s))));
    const best = gains.reduce((most, gain, i) => (gain.length > gains[most]!.length ? i : most), 0);
    // A combination that is legal by itself may have no legal row.
    if (candidates.length === 0) continue;
    for (const chosen of gains[best]!) missing.delete(keyOf(candidates[best]!, chosen));
    rows.push(candidates[best]!);
  }
  return rows;
}

/** A legal row with these values, at random; undefined if there is none. */
function complete(row: Partial<Row>, names: readonly Name[], values: Values, random: Random): Row | undefined {
  const open = names.filter((name) => row[name] === undefined);
  if (open.length === 0) return row as Row;
  const name = random.pick(open);
  for (const value of shuffled<string>(values[name], random)) {
    const next = { ...row, [name]: value } as Partial<Row>;
    const whole = isLegal(next) ? complete(next, names, values, random) : undefined;
    if (whole !== undefined) return whole;
  }
  return undefined;
}

function shuffled<T>(items: readonly T[], random: Random): T[] {
  const left = [...items];
  return items.map(() => left.splice(random.below(left.length), 1)[0]!);
}

function subsets<T>(items: readonly T[], size: number): T[][] {
  if (size === 0) return [[]];
  return items.flatMap((item, i) => subsets(items.slice(i + 1), size - 1).map((rest) => [item, ...rest]));
}

function tuples(names: readonly Name[], values: Values): Partial<Row>[] {
  const [first, ...rest] = names;
  if (first === undefined) return [{}];
  return tuples(rest, values).flatMap((tuple) => values[first].map((value) => ({ ...tuple, [first]: value })));
}

function keyOf(row: Partial<Row>, names: readonly Name[]): string {
  return names.map((name) => `${name}=${row[name]}`).join();
}
