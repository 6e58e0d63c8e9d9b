import { readFileSync, rmSync } from 'node:fs';
import { GUEST_AREA, lastNumber } from '../../test/live/guest/guest.ts';
import { qemuImg } from '../live/qemu-img.ts';

/**
 * Throws unless a disk that arrived is that of the guest when it was stopped at its source, and has all that the guest has
 * written since. Both are images that nobody has open.
 */
export async function assertArrived(source: string, arrived: string): Promise<void> {
  const raw = [`${source}.raw`, `${arrived}.raw`] as const;
  try {
    for (const [at, image] of [source, arrived].entries()) await qemuImg('convert', '-O', 'raw', image, raw[at]!);
    const [left, here] = raw.map((path) => readFileSync(path)) as [Buffer, Buffer];
    const fault = faultOf(left, here) ?? (lastNumber(raw[1]) < lastNumber(raw[0]) ? 'writes are lost' : undefined);
    if (fault !== undefined) throw new Error(`${arrived} is not what ${source} is: ${fault}`);
  } finally {
    for (const path of raw) rmSync(path, { force: true });
  }
}

/** What differs of two raw disks but for the numbers that the guest writes; undefined if nothing does. */
export function faultOf(source: Buffer, arrived: Buffer): string | undefined {
  if (source.length !== arrived.length) return `${arrived.length} bytes instead of ${source.length}`;
  for (const [from, to] of [
    [0, GUEST_AREA.from],
    [GUEST_AREA.to, source.length],
  ] as const) {
    if (!source.subarray(from, to).equals(arrived.subarray(from, to))) return `bytes differ in ${from} … ${to}`;
  }
  return undefined;
}
