import { readFileSync, rmSync } from 'node:fs';
import { expect } from 'vitest';
import type { DiskLayer } from '../../agent/disk/layer.ts';
import { qemuImg } from './qemu.ts';
import { expectSame, extentsOf, readAll } from './support.ts';

interface MapItem {
  readonly start: number;
  readonly length: number;
  readonly depth: number;
  readonly present: boolean;
  readonly zero: boolean;
  readonly data: boolean;
}

/** That a layer shows the bytes that `qemu-img convert` writes. */
export async function expectBytesAsQemu(layer: DiskLayer): Promise<void> {
  const out = `${layer.path}.out`;
  await qemuImg('convert', '-f', layer.format, '-O', 'raw', layer.path, out);
  expectSame(await readAll(layer), readFileSync(out));
  rmSync(out);
}

/** That a layer itself holds what `qemu-img map` tells: where its depth is 0 and something is present. */
export async function expectMapAsQemu(layer: DiskLayer): Promise<void> {
  const items: MapItem[] = JSON.parse(await qemuImg('map', '--output=json', '-f', layer.format, layer.path));
  const expected: { offset: number; length: number; state: string }[] = [];
  for (const { start: offset, length, depth, present, zero, data } of items) {
    const state = depth > 0 || !present ? 'absent' : zero && !data ? 'zero' : 'data';
    const last = expected.at(-1);
    if (last?.state === state) last.length += length;
    else expected.push({ offset, length, state });
  }
  expect(await extentsOf(layer)).toEqual(expected);
}
