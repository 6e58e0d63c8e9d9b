import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { openChain } from '../../agent/disk/chain.ts';
import { createQcow2 } from '../../agent/disk/writer.ts';
import type { Chance } from './chance.ts';

const MiB = 1024 * 1024;
const STEP_BYTES = 256 * 1024;

export interface Images {
  /** Names of VMs; their top images are called alike. */
  readonly vms: readonly string[];
  /** MiB of data in the bottom, the middle and each top layer. */
  readonly dataMib: { readonly os: number; readonly we: number; readonly top: number };
}

/** Makes chains of three layers, os ← we ← each VM: data that does not compress, zeros over data, and holes. */
export async function makeImages(folder: string, { vms, dataMib }: Images, chance: Chance): Promise<void> {
  await mkdir(folder, { recursive: true });
  const virtualBytes = (dataMib.os + dataMib.we + dataMib.top) * 2 * MiB + 12_288;
  const image = { folder, virtualBytes, chance };
  await makeLayer(image, 'os.qcow2', undefined, dataMib.os);
  await makeLayer(image, 'we.qcow2', 'os.qcow2', dataMib.we);
  for (const vm of vms) await makeLayer(image, `${vm}.qcow2`, 'we.qcow2', dataMib.top);
}

async function makeLayer(
  { folder, virtualBytes, chance }: { folder: string; virtualBytes: number; chance: Chance },
  name: string,
  over: string | undefined,
  mib: number,
): Promise<void> {
  const chain = over === undefined ? undefined : await openChain(path.join(folder, over), { imageFolder: folder });
  const below = chain?.layers.at(-1);
  const writer = await createQcow2(path.join(folder, name), {
    virtualBytes,
    clusterBytes: chance.pick([4096, 65_536]),
    version: 3,
    ...(over === undefined || below === undefined ? {} : { backing: { name: over, format: 'qcow2', chain: below } }),
  });
  const steps = Math.floor(virtualBytes / STEP_BYTES);
  for (let left = (mib * MiB) / STEP_BYTES; left > 0; left--) {
    await writer.write(chance.int(0, steps - 1) * STEP_BYTES, chance.bytes(STEP_BYTES));
  }
  if (over !== undefined) await writer.writeZeros(chance.int(0, steps - 1) * STEP_BYTES, STEP_BYTES / 4);
  await writer.write(steps * STEP_BYTES, chance.bytes(virtualBytes - steps * STEP_BYTES));
  await writer.finish();
  await chain?.close();
}
