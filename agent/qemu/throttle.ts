import type { ExecuteOptions, Qmp } from './qmp.ts';

/** The limits of block_set_io_throttle; those that are always told, and must always be given. */
const NEEDED = ['bps', 'bps_rd', 'bps_wr', 'iops', 'iops_rd', 'iops_wr'] as const;
const MORE = [...NEEDED.flatMap((name) => [`${name}_max`, `${name}_max_length`]), 'iops_size', 'group'] as const;

export type Throttle = Readonly<Record<string, number | string>>;

/** The limits that a device's disk has, from its entry in query-block. What is not told is not limited. */
export function throttleOf(inserted: Readonly<Record<string, unknown>>): Throttle {
  const told = [...NEEDED, ...MORE].flatMap((name) => {
    const value = inserted[name];
    return typeof value === 'number' || typeof value === 'string' ? [[name, value] as const] : [];
  });
  return { ...Object.fromEntries(NEEDED.map((name) => [name, 0])), ...Object.fromEntries(told) };
}

/** The same, with no more than so many bytes written in a second. A limit on reads and writes together stays one. */
export function slower(before: Throttle, bytesPerSecond: number): Throttle {
  const name = Number(before.bps) > 0 ? 'bps' : 'bps_wr';
  const had = Number(before[name]);
  const rate = Math.max(1, had > 0 ? Math.min(had, bytesPerSecond) : bytesPerSecond);
  const isBurst = (key: string) => key.startsWith(`${name}_max`);
  return { ...Object.fromEntries(Object.entries(before).filter(([key]) => !isBurst(key))), [name]: rate };
}

/** What each of several disks may write in a second, so that all together write no more than this. */
export function shareOf(bytesPerSecond: number, disks: number): number {
  return Math.max(1, Math.floor(bytesPerSecond / disks));
}

/** Errors: those of Qmp.execute. */
export async function setThrottle(
  qmp: Pick<Qmp, 'execute'>,
  qdev: string,
  throttle: Throttle,
  options: ExecuteOptions = {},
): Promise<void> {
  await qmp.execute('block_set_io_throttle', { id: qdev, ...throttle }, options);
}
