import { linkSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { openChain } from '../../agent/disk/chain.ts';
import { createQcow2, type DiskWriter } from '../../agent/disk/writer.ts';
import { guestSector } from '../../test/live/guest/guest.ts';
import { type Content, incompressible, realFiles } from '../content.ts';

const MiB = 1024 * 1024;
const CLUSTER_BYTES = 64 * 1024;
/** Of files that two VMs' systems have alike no chunk is the same if one's are moved by an odd number of bytes. */
const SHIFT_BYTES = 4093;

/** Where what lies on a guest's disk; the guest writes to the first 16 MiB alone. Bytes. */
export interface Layout {
  readonly os: number;
  readonly we: number;
  readonly ud: number;
}

const OS_AT = 16 * MiB;
const weAt = ({ os }: Layout) => OS_AT + os;
const udAt = (layout: Layout) => weAt(layout) + layout.we;
export const diskBytes = (layout: Layout) => udAt(layout) + layout.ud;

/** Makes an OS layer of this machine's files and a working environment on it; `nth` of them have no chunk in common. Gives the path of the upper one. */
export async function makeBases(folder: string, name: string, nth: number, layout: Layout): Promise<string> {
  const content = realFiles();
  content(Buffer.alloc(1 + nth * SHIFT_BYTES));
  const [os, we] = basesOf(folder, name) as [string, string];
  await makeLayer(os, layout, undefined, (writer) => fill(writer, OS_AT, layout.os, content));
  await makeLayer(we, layout, os, (writer) => fill(writer, weAt(layout), layout.we, content));
  return we;
}

/** Those that makeBases has made, bottom first. */
export function basesOf(folder: string, name: string): string[] {
  return ['os', 'we'].map((kind) => join(folder, `${name}-${kind}.qcow2`));
}

/** Makes the top layer of a guest that counts on its disk, with user data that no compressor shrinks. */
export async function makeTop(path: string, layout: Layout, over: string, seed: number): Promise<void> {
  await makeLayer(path, layout, over, async (writer) => {
    await writer.write(0, guestSector({ quiet: true }));
    await fill(writer, udAt(layout), layout.ud, incompressible(seed));
  });
}

/** Nobody changes base layers: they are at another site, too, by a link. */
export function bringBases(from: string, to: string, name: string): void {
  for (const path of basesOf(from, name)) linkSync(path, join(to, basename(path)));
}

async function makeLayer(
  path: string,
  layout: Layout,
  over: string | undefined,
  write: (writer: DiskWriter) => Promise<void>,
): Promise<void> {
  const chain = over === undefined ? undefined : await openChain(over, { imageFolder: dirname(path) });
  const below = chain?.layers.at(-1);
  const backing = below && { backing: { name: basename(below.path), format: below.format, chain: below } };
  const shape = { virtualBytes: diskBytes(layout), clusterBytes: CLUSTER_BYTES, version: 3 } as const;
  const writer = await createQcow2(path, { ...shape, ...backing });
  await write(writer);
  await writer.finish();
  await chain?.close();
}

async function fill(writer: DiskWriter, from: number, bytes: number, content: Content): Promise<void> {
  const step = Buffer.alloc(MiB);
  for (let at = from; at < from + bytes; at += MiB) {
    content(step);
    await writer.write(at, step);
  }
}
