import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { openChain } from '../../../agent/disk/chain.ts';
import { createQcow2 } from '../../../agent/disk/writer.ts';
import { GUEST_DISK_BYTES, guestSector } from '../../live/guest/guest.ts';
import type { Chance } from '../chance.ts';

const MiB = 1024 * 1024;

/** Makes the disks of guests: os ← we ← each VM, with data in each beside what the guests write. */
export async function makeGuestDisks(folder: string, vms: readonly string[], chance: Chance): Promise<void> {
  await mkdir(folder, { recursive: true });
  const data = (mib: number) => ({ at: mib * MiB, bytes: chance.bytes(chance.int(1, 2) * MiB) });
  await makeLayer(folder, 'os.qcow2', undefined, [{ at: 0, bytes: guestSector() }, data(16)]);
  await makeLayer(folder, 'we.qcow2', 'os.qcow2', [data(20)]);
  for (const vm of vms) await makeLayer(folder, `${vm}.qcow2`, 'we.qcow2', [data(24)]);
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
