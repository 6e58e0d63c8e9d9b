import type { Codec } from './codec.ts';
import { invalidImage } from './header.ts';
import type { Mapping } from './mapping.ts';

/** What decoding the tables of one image needs to know of it. */
export interface ImageShape {
  readonly path: string;
  readonly fd: number;
  readonly fileBytes: number;
  readonly version: 2 | 3;
  readonly compression: Codec;
  readonly clusterBits: number;
  readonly clusterBytes: number;
}

/** Bit 63 of table entries: the cluster has refcount one. In `hi` here, as bits 32 to 63. */
export const COPIED = 0x80000000;
const COMPRESSED = 0x40000000;
/** Bit 0 of an L2 entry: the cluster reads as zeros (version 3). */
export const READS_ZERO = 1;
const OFFSET_HI = 0x00ffffff;
const OFFSET_LO = 0xfffffe00;
const SECTOR_BYTES = 512;
const TWO_32 = 2 ** 32;

/** Host offset of the table or cluster that an entry of two 32-bit halves names, in bytes. */
export function hostOffset(hi: number, lo: number): number {
  return (hi & OFFSET_HI) * TWO_32 + ((lo & OFFSET_LO) >>> 0);
}

/** Host offset of the L2 table an L1 entry names, 0 if there is none. Refuses (QCOW2_INVALID) what can't be one. */
export function decodeL1(image: ImageShape, hi: number, lo: number): number {
  if (hi === 0 && lo === 0) return 0;
  const offset = hostOffset(hi, lo);
  const reserved = (hi & 0x7f000000) !== 0 || (lo & 0x1ff) !== 0;
  if (reserved || offset === 0 || offset % image.clusterBytes !== 0 || offset + image.clusterBytes > image.fileBytes) {
    throw invalidImage(image.path, `an L1 entry is ${hex(hi, lo)}`);
  }
  return offset;
}

/**
 * How many L2 entries from byte `at` of a page on, `most` at most, say the same as the first: absent or zero again and
 * again, or data clusters one after the other within the file. Tables are mostly such runs, so this is what makes
 * reading them fast.
 */
export function runOfEntries(image: ImageShape, page: DataView, at: number, most: number): number {
  const hi = page.getUint32(at);
  const lo = page.getUint32(at + 4);
  if ((hi & COMPRESSED) !== 0) return 1;
  const step = hostOffset(hi, lo) === 0 || (lo & READS_ZERO) !== 0 ? 0 : image.clusterBytes;
  const inFile = step === 0 ? most : Math.ceil((image.fileBytes - hostOffset(hi, lo)) / step);
  const limit = Math.min(most, inFile, (page.byteLength - at) / 8);
  let run = 1;
  while (run < limit && page.getUint32(at + run * 8 + 4) === lo + run * step && page.getUint32(at + run * 8) === hi)
    run++;
  return run;
}

/**
 * Where the guest bytes [at, at + length) are by the L2 entry of their cluster, or of the first of a run of them.
 * Refuses (QCOW2_INVALID) reserved bits and offsets that are not aligned or not within the file.
 * Source: qcow2 specification, "L2 table entry".
 */
export function decodeL2(image: ImageShape, hi: number, lo: number, at: number, length: number): Mapping {
  if (hi === 0 && lo === 0) return { at, length, kind: 'absent' };
  if ((hi & COMPRESSED) !== 0) return decodeCompressed(image, hi, lo, at, length);
  const offset = hostOffset(hi, lo);
  const zero = (lo & READS_ZERO) !== 0;
  const copied = (hi & COPIED) !== 0;
  const reserved = (hi & 0x3f000000) !== 0 || (lo & 0x1fe) !== 0 || (zero && image.version === 2);
  // A cluster that reads as zeros may have none allocated; an allocated one is never the header's.
  const nowhere = offset === 0 && (copied || !zero);
  const outside = !zero && offset >= image.fileBytes;
  if (reserved || nowhere || outside || offset % image.clusterBytes !== 0) {
    throw invalidImage(image.path, `the L2 entry of guest byte ${at} is ${hex(hi, lo)}`);
  }
  if (zero) return { at, length, kind: 'zero' };
  return { at, length, kind: 'file', fd: image.fd, offset: offset + (at % image.clusterBytes) };
}

/** Source: qcow2 specification, "Compressed Clusters Descriptor"; its x is `offsetBits`. */
function decodeCompressed(image: ImageShape, hi: number, lo: number, at: number, length: number): Mapping {
  const { path, fd, fileBytes, clusterBits, clusterBytes, compression: codec } = image;
  const offsetBits = 62 - (clusterBits - 8);
  const descriptor = hi & 0x3fffffff;
  const offset = (descriptor % 2 ** (offsetBits - 32)) * TWO_32 + lo;
  const moreSectors = Math.floor(descriptor / 2 ** (offsetBits - 32));
  const end = offset - (offset % SECTOR_BYTES) + (moreSectors + 1) * SECTOR_BYTES;
  if ((hi & COPIED) !== 0 || offset < clusterBytes || offset >= fileBytes) {
    throw invalidImage(path, `the L2 entry of guest byte ${at} is ${hex(hi, lo)}`);
  }
  const stored = Math.min(end, fileBytes) - offset;
  return { at, length, kind: 'compressed', fd, offset, stored, codec, skip: at % clusterBytes, clusterBytes };
}

function hex(hi: number, lo: number): string {
  return `0x${(hi >>> 0).toString(16).padStart(8, '0')}${(lo >>> 0).toString(16).padStart(8, '0')}`;
}
