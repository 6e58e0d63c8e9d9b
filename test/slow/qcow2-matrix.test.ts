import { expect, test } from 'vitest';
import { coveringRows } from '../disk/matrix.ts';
import { describeWithQemu } from '../disk/qemu.ts';
import { tempFolder } from '../disk/support.ts';
import { tryRows } from '../disk/try-rows.ts';

const folder = tempFolder();
const HOUR_MS = 3_600_000;

describeWithQemu('options of qcow2 are read, mapped and written as QEMU does', () => {
  test('every two of them', async () => {
    expect(await tryRows(folder.path(), coveringRows(2, 2))).toEqual([]);
  });

  // Minutes, by hand: npm run matrix.
  if (process.env.QCOW2_MATRIX === 'full') {
    test('every three of them', { timeout: HOUR_MS }, async () => {
      expect(await tryRows(folder.path(), coveringRows(3, 1))).toEqual([]);
    });
  }
});
