import { readFileSync } from 'node:fs';

/** As in guest.s. */
const FIRST = 0x2000;
const SLOTS = 0x4000;
const QUIET = 508;
const SECOND = 509;
const SECTOR = 512;
const CODE =
  '31c08ed88ed0bc007c8816f07db00ae8b10066c706047e0080000066c706087e0010000066c7060c7e00000000b442e87800' +
  '66a100806625000000ff66050000000166a30080b443e85f0066ff060080666b060080256625ff3f000066050020000066a3' +
  '087eb443e83f00803efd7d00740bfe06f07de83100fe0ef07d803efc7d0075c7668b2e0080b9080066c1c50489e8240f3c0a' +
  '720204070430e82400e2ebb00ae81d00fbf4eba166c706007e10000100be007e8a16f07d50b000cd135872e8c350bafd03ec' +
  'a82074f858baf803eec3';

/** Bytes of a guest's disk: it writes to sector HEAD, and to the 8 MiB that begin at 4 MiB. */
export const GUEST_DISK_BYTES = 32 * 1024 * 1024;

/** Where its numbers are, in bytes. */
export const GUEST_AREA = { from: FIRST * SECTOR, to: (FIRST + SLOTS) * SECTOR } as const;

/**
 * The first sector of a disk whose guest is guest.s. One that is `quiet` acknowledges nothing, and writes as fast as it can; one
 * that has a `second` disk writes each number to both.
 */
export function guestSector({ quiet = false, second = false } = {}): Buffer {
  const sector = Buffer.alloc(SECTOR);
  sector.write(CODE, 'hex');
  sector.writeUInt8(quiet ? 1 : 0, QUIET);
  sector.writeUInt8(second ? 1 : 0, SECOND);
  sector.writeUInt16LE(0xaa55, SECTOR - 2);
  return sector;
}

/** The numbers that a guest has acknowledged, by what it said on its serial ports, one host's after the other. */
export function acksIn(said: string): number[] {
  return [...said.matchAll(/^([0-9A-F]{8})$/gm)].map(([, digits]) => Number.parseInt(digits!, 16));
}

/**
 * What is wrong with a guest's acknowledgements: each number is the one before it and one more, unless the guest has
 * booted in between. Two guests that go on from one would say a number twice.
 */
export function faultsOf(acks: readonly number[]): string[] {
  const wrong = acks.findIndex((number, at) => at > 0 && !follows(acks[at - 1]!, number));
  return wrong < 0 ? [] : [`after ${hex(acks[wrong - 1]!)} the guest acknowledged ${hex(acks[wrong]!)}`];
}

/** Acknowledged numbers that a raw disk lacks: in a number's place is it, or a later one that nobody has heard of yet. */
export function lostFrom(disk: Buffer, acks: readonly number[]): string[] {
  const last = new Map(acks.map((number) => [slotOf(number), number]));
  const lost = [...last].filter(([slot, number]) => {
    const found = disk.readUInt32LE((FIRST + slot) * SECTOR);
    return found !== number && !(found > number && slotOf(found) === slot);
  });
  return lost.map(([slot, number]) => {
    return `${hex(number)} was acknowledged and is lost: there is ${hex(disk.readUInt32LE((FIRST + slot) * SECTOR))}`;
  });
}

/**
 * The last number on a raw disk on which the guest has booted once. Throws if one of those before it that should be there still
 * is not: then a write was lost, or one came after others that it came before.
 */
export function lastNumber(rawDisk: string): number {
  const disk = readFileSync(rawDisk);
  const at = (slot: number) => disk.readUInt32LE((FIRST + slot) * SECTOR) & 0xffffff;
  const last = Math.max(...Array.from({ length: SLOTS }, (_, slot) => at(slot)));
  for (let number = Math.max(1, last - SLOTS + 1); number <= last; number++) {
    const found = at(slotOf(number));
    if (found !== number) throw new Error(`number ${number} of ${last} is lost: there is ${found} in its place`);
  }
  return last;
}

function follows(before: number, number: number): boolean {
  return number === before + 1 || (number >>> 24 > before >>> 24 && (number & 0xffffff) === 1);
}

function slotOf(number: number): number {
  return (37 * (number & 0xffffff)) & (SLOTS - 1);
}

function hex(number: number): string {
  return number.toString(16).padStart(8, '0');
}
