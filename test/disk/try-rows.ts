import { rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { expect } from 'vitest';
import type { Chain, DiskLayer } from '../../agent/disk/layer.ts';
import { createQcow2 } from '../../agent/disk/writer.ts';
import { expectBytesAsQemu, expectMapAsQemu } from './as-qemu.ts';
import { makeBases, makeImage } from './made.ts';
import type { Row } from './matrix.ts';
import { qemuImg } from './qemu.ts';
import { extentsOf, readAll, withChain } from './support.ts';

/** Images in work at a time. */
const JOBS = 3;

/** Makes the image of each row and lets QEMU judge what we read and what we write; the failures, with their rows. */
export async function tryRows(folder: string, rows: readonly Row[]): Promise<string[]> {
  await makeBases(folder);
  const failures: string[] = [];
  const left = rows.entries();
  const work = async () => {
    for (const [i, row] of left) {
      try {
        await tryRow(folder, `row${i}.qcow2`, row);
      } catch (error) {
        failures.push(`${JSON.stringify(row)}: ${error}`);
      }
    }
  };
  await Promise.all(Array.from({ length: JOBS }, work));
  return failures;
}

async function tryRow(folder: string, name: string, row: Row): Promise<void> {
  const image = await makeImage(folder, name, row);
  const copy = join(folder, `copy-${name}`);
  await qemuImg('check', '-q', image);
  await withChain(image, folder, async (chain) => {
    const top = chain.layers.at(-1)!;
    await expectBytesAsQemu(top);
    await expectMapAsQemu(top);
    await copyTop(chain, copy, row);
    if (row.compat === '1.1' && row.subclusters === 'off') await expectSameExtents(copy, folder, top);
  });
  await qemuImg('check', '-q', copy);
  await qemuImg('compare', '-q', image, copy);
  for (const path of [image, `${image}.data`, copy]) rmSync(path, { force: true });
}

/** Writes what the top layer itself holds as an image of our own, over the same base. */
async function copyTop({ layers }: Chain, path: string, { compat }: Row): Promise<void> {
  const [below, top] = [layers.at(-2), layers.at(-1)!];
  const { virtualBytes, clusterBytes } = top;
  const backing = below && { name: basename(below.path), format: below.format, chain: below };
  const version = compat === '1.1' ? 3 : 2;
  const writer = await createQcow2(path, { virtualBytes, clusterBytes, version, ...(backing && { backing }) });
  const bytes = await readAll(top);
  for await (const { offset, length, state } of top.extents(0, virtualBytes)) {
    if (state === 'zero') await writer.writeZeros(offset, length);
    else if (state === 'data') await writer.write(offset, bytes.subarray(offset, offset + length));
  }
  await writer.finish();
}

async function expectSameExtents(copy: string, folder: string, layer: DiskLayer): Promise<void> {
  await withChain(copy, folder, async ({ layers }) => {
    expect(await extentsOf(layers.at(-1)!)).toEqual(await extentsOf(layer));
  });
}
