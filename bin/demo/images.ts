import { randomBytes } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { copyOf, makeLayer } from './layers.ts';
import { type MachineFile, machineFiles } from './machine-files.ts';
import { volume } from './volume.ts';

const MiB = 1024 * 1024;
const DISK_BYTES = 288 * MiB;

const HERE = path.resolve(import.meta.dirname, '../..');

/** Which VMs the demo makes, and over which working environment. */
const VMS = [
  { name: 'web-1', environment: 'web' },
  { name: 'web-2', environment: 'web' },
  { name: 'db-1', environment: 'db' },
] as const;

/** Makes three-layer images of this machine's own files in `folder`: os ← we ← ud. Answers the VMs' top images by name. */
export async function makeImages(folder: string, say: (line: string) => void): Promise<Record<string, string>> {
  const raw = path.join(folder, 'raw');
  await mkdir(raw, { recursive: true });
  const kind = volume();
  say(`making three VMs of this machine's files (${kind.kind}, three layers each)`);
  const os = machineFiles(['/usr/bin', '/usr/lib', '/lib'], 80 * MiB);
  const taken = new Set(os.map((file) => file.path));
  const runtime = machineFiles(
    [path.join(HERE, 'node_modules/@aws-sdk'), path.join(HERE, 'node_modules')],
    20 * MiB,
    taken,
  );
  const own = {
    web: machineFiles(['/usr/share', path.join(HERE, 'node_modules/aws-cdk-lib')], 24 * MiB, taken),
    db: machineFiles(['/usr/lib', '/opt', '/usr/local'], 24 * MiB, taken),
  };

  const osRaw = path.join(raw, 'os.raw');
  await kind.format(osRaw, DISK_BYTES);
  await kind.add(osRaw, 'os', os);
  await makeLayer(osRaw, path.join(folder, 'os.qcow2'), DISK_BYTES);
  for (const environment of ['web', 'db'] as const) {
    const disk = await copyOf(osRaw, path.join(raw, `${environment}.raw`), DISK_BYTES);
    await kind.add(disk, 'we', [...runtime, ...own[environment]]);
    await makeLayer(disk, path.join(folder, `we-${environment}.qcow2`), DISK_BYTES, 'os.qcow2');
  }
  const tops: Record<string, string> = {};
  for (const vm of VMS) {
    const disk = await copyOf(path.join(raw, `${vm.environment}.raw`), path.join(raw, `${vm.name}.raw`), DISK_BYTES);
    await kind.add(disk, 'ud', await userData(raw, vm.name));
    tops[vm.name] = path.join(folder, `${vm.name}.qcow2`);
    await makeLayer(disk, tops[vm.name]!, DISK_BYTES, `we-${vm.environment}.qcow2`);
  }
  await rm(raw, { recursive: true });
  return tops;
}

/** What a VM's users wrote: bytes like photographs (random), and a log. */
async function userData(folder: string, vm: string): Promise<MachineFile[]> {
  const photos = { path: path.join(folder, `${vm}-photos`), bytes: 6 * MiB };
  await writeFile(photos.path, randomBytes(photos.bytes));
  const lines = Array.from(
    { length: 60_000 },
    (_, at) => `${at} ${vm} GET /item/${(at * 7919) % 10_007} 200 ${(at * 31) % 997} ms`,
  );
  const log = { path: path.join(folder, `${vm}-log`), bytes: 0 };
  await writeFile(log.path, lines.join('\n'));
  return [photos, log];
}
