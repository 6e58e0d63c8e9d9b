import { expect, test } from 'vitest';
import { coveringRows, OPTIONS } from './matrix.ts';
import { describeWithQemu } from './qemu.ts';
import { tempFolder } from './support.ts';
import { tryRows } from './try-rows.ts';

const folder = tempFolder();

/** The ends and QEMU's defaults; the slow tests take them all. */
const values = {
  ...OPTIONS,
  cluster: ['512', '65536', '2097152'],
  refcounts: ['16', '1', '64'],
  preallocation: ['off', 'metadata', 'full'],
  backing: ['none', 'raw short', 'qcow2 long', 'qcow2 absolute'],
} as const;

describeWithQemu('every pair of the main options of qcow2', () => {
  test('is read, mapped and written as QEMU does', async () => {
    const rows = coveringRows(2, 1, values);
    expect(rows.length).toBeGreaterThan(15);
    expect(await tryRows(folder.path(), rows)).toEqual([]);
  });
});
