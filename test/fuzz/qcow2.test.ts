import { expect, test } from 'vitest';
import { describeWithQemu } from '../disk/qemu.ts';
import { fuzzQcow2 } from './qcow2.ts';

const IMAGES = 300;

describeWithQemu('mutated images', () => {
  test('are refused with a typed error or read as QEMU reads them', async () => {
    const { tried, verdicts, failures } = await fuzzQcow2({ seed: 1, count: IMAGES });
    expect(failures).toEqual([]);
    expect(tried).toBe(IMAGES);
    // Neither all refused nor all accepted: both would prove nothing.
    expect(verdicts.accepted).toBeGreaterThan(IMAGES / 10);
    expect(verdicts.QCOW2_INVALID).toBeGreaterThan(IMAGES / 20);
    expect(verdicts.QCOW2_OVERLAP).toBeGreaterThan(0);
  });
});
