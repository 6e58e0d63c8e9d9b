import { expect, test } from 'vitest';
import { coveringRows, OPTIONS } from '../disk/matrix.ts';
import { describeWithQemu } from '../disk/qemu.ts';
import { tempFolder } from '../disk/support.ts';
import { tryRows } from '../disk/try-rows.ts';

const folder = tempFolder();

describeWithQemu('options of qcow2 are read, mapped and written as QEMU does', () => {
  test('every pair, with clusters of every size', async () => {
    expect(await tryRows(folder.path(), coveringRows(2, 2))).toEqual([]);
  });

  test('every three, with clusters of four sizes', async () => {
    const values = { ...OPTIONS, cluster: ['512', '16384', '65536', '2097152'] } as const;
    expect(await tryRows(folder.path(), coveringRows(3, 1, values))).toEqual([]);
  });
});
