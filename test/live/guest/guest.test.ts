import { describe, expect, it } from 'vitest';
import { acksIn, faultsOf, GUEST_DISK_BYTES, lostFrom } from './guest.ts';

/** As in guest.s: number n lies in sector FIRST + (37 n mod SLOTS). */
function diskWith(numbers: readonly number[]): Buffer {
  const disk = Buffer.alloc(GUEST_DISK_BYTES);
  for (const number of numbers) disk.writeUInt32LE(number, (0x2000 + ((37 * (number & 0xffffff)) & 0x3fff)) * 512);
  return disk;
}

describe('what a guest says', () => {
  it('is its lines, but not one that it did not end', () => {
    expect(acksIn('\n01000001\n01000002\n0100\n02000001\n')).toEqual([0x1000001, 0x1000002, 0x2000001]);
  });

  it('is in order over boots; a number twice, or one left out, is told', () => {
    expect(faultsOf([0x1000001, 0x1000002, 0x2000001])).toEqual([]);
    expect(faultsOf([0x1000001, 0x1000002, 0x1000002])).toEqual(['after 01000002 the guest acknowledged 01000002']);
    expect(faultsOf([0x1000001, 0x1000003])).toHaveLength(1);
    expect(faultsOf([0x2000001, 0x1000002])).toHaveLength(1);
  });

  it('must be on its disk, or something later that nobody has heard of', () => {
    const acks = [0x1000001, 0x1000002, 0x1004002];
    expect(lostFrom(diskWith([0x1000001, 0x1004002]), acks)).toEqual([]);
    expect(lostFrom(diskWith([0x1000001, 0x1008002]), acks)).toEqual([]);
    expect(lostFrom(diskWith([0x1000001, 0x1000002]), acks)).toHaveLength(1);
    expect(lostFrom(diskWith([0x1004002]), acks)).toHaveLength(1);
  });
});
