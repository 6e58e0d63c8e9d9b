import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { openChain } from '../../../agent/disk/chain.ts';
import { createQcow2 } from '../../../agent/disk/writer.ts';
import { GUEST_DISK_BYTES, guestSector } from '../../live/guest/guest.ts';
import type { Chance } from '../chance.ts';

const MiB = 1024 * 1024;

/** The images of a VM's disks. */
export function imagesOf(vm: string, disks: number): string[] {
  return [`${vm}.qcow2`, `${vm}-data.qcow2`].slice(0, disks);
}

/**
 * Makes the disks of guests, one or two each: os ← we ← each disk, with data in each beside what the guests write. A guest of two
 * writes the same to both.
 */
export async function makeGuestDisks(
  folder: string,
  { vms, disks }: { vms: readonly string[]; disks: number },
  chance: Chance,
): Promise<void> {
  await mkdir(folder, { recursive: true });
  const data = (mib: number) => ({ at: mib * MiB, bytes: chance.bytes(chance.int(1, 2) * MiB) });
  const boot = { at: 0, bytes: guestSector({ second: disks > 1 }) };
  await makeLayer(folder, 'os.qcow2', undefined, [boot, data(16)]);
  await makeLayer(folder, 'we.qcow2', 'os.qcow2', [data(20)]);
  for (const name of vms.flatMap((vm) => imagesOf(vm, disks))) await makeLayer(folder, name, 'we.qcow2', [data(24)]);
}

async function makeLayer(
  folder: string,
  name: string,
  over: string | undefined,
  data: readonly { at: number; bytes: Buffer }[],
): Promise<void> {
  const chain = over === undefined ? undefined : await openChain(path.join(folder, over), { imageFolder: folder });
  const below = chain?.layers.at(-1);
  const image = { virtualBytes: GUEST_DISK_BYTES, clusterBytes: 65_536, version: 3 as const };
  const backing = over && below ? { backing: { name: over, format: 'qcow2' as const, chain: below } } : {};
  const writer = await createQcow2(path.join(folder, name), { ...image, ...backing });
  for (const { at, bytes } of data) await writer.write(at, bytes);
  await writer.finish();
  await chain?.close();
}
