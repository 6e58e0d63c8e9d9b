import { readFileSync } from 'node:fs';

const SECTOR = 512;
/** As in counter.s. */
const FIRST = 0x2000;
const SLOTS = 0x4000;
const CODE =
  '31c08ed88ed0bc007c8816f07d66c70600800000000066c706007e1000010066c706047e0080000066c7060c7e0000000066ff06008066' +
  '6b060080256625ff3f000066050020000066a3087ebe007e8a16f07db80043cd13ebd7';

/** Bytes of a disk on which the guest runs: it writes to the 8 MiB that begin at 4 MiB. */
export const COUNTER_DISK_BYTES = 32 * 1024 * 1024;

/** The first sector of a disk whose guest is counter.s. */
export function counterSector(): Buffer {
  const sector = Buffer.alloc(SECTOR);
  sector.write(CODE, 'hex');
  sector.writeUInt16LE(0xaa55, SECTOR - 2);
  return sector;
}

/**
 * The last number on a raw disk on which the guest wrote. Throws if one of those before it that should be there still
 * is not: then a write was lost, or one came after others that it came before.
 */
export function lastNumber(rawDisk: string): number {
  const disk = readFileSync(rawDisk);
  const at = (number: number) => disk.readUInt32LE((FIRST + ((37 * number) & (SLOTS - 1))) * SECTOR);
  const numbers = Array.from({ length: SLOTS }, (_, slot) => disk.readUInt32LE((FIRST + slot) * SECTOR));
  const last = Math.max(...numbers);
  for (let number = Math.max(1, last - SLOTS + 1); number <= last; number++) {
    if (at(number) !== number)
      throw new Error(`number ${number} of ${last} is lost: there is ${at(number)} in its place`);
  }
  return last;
}
