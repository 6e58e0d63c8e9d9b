import type { Codec } from './codec.ts';
import { invalidImage, overlap } from './invalid.ts';
import type { Mapping } from './mapping.ts';
import type { MetadataMap } from './metadata-map.ts';

/** What decoding the tables of one image needs to know of it. */
export interface ImageShape {
  readonly path: string;
  readonly version: 2 | 3;
  readonly compression: Codec;
  readonly clusterBits: number;
  readonly clusterBytes: number;
  readonly metadata: MetadataMap;
  /** The file that has the clusters: the image itself, or an external one, which has no metadata. */
  readonly data: {
    readonly path: string;
    readonly fd: number;
    readonly fileBytes: number;
    readonly external: boolean;
  };
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

export function isCompressed(hi: number): boolean {
  return (hi & COMPRESSED) !== 0;
}

/** A table whose entries name clusters: L2 tables, refcount blocks, the bits of a bitmap. */
export type TableKind = 'L1' | 'refcount table' | 'bitmap table';

/** What an entry of such a table is checked against. */
export interface TablePlace {
  readonly path: string;
  readonly fileBytes: number;
  readonly clusterBytes: number;
}

/**
 * Host offset of the cluster that an entry, not zero, of a table names; undefined if it says that a part of a bitmap is
 * all ones, which takes no cluster. Refuses (QCOW2_INVALID) what can't be.
 */
export function decodeTableEntry(place: TablePlace, table: TableKind, hi: number, lo: number): number | undefined {
  if (table === 'bitmap table' && hi === 0 && lo === 1) return undefined;
  const offset = hostOffset(hi, lo);
  const reserved = (hi & (table === 'L1' ? 0x7f000000 : 0xff000000)) !== 0 || (lo & 0x1ff) !== 0;
  const outside = offset === 0 || offset + place.clusterBytes > place.fileBytes;
  if (reserved || outside || offset % place.clusterBytes !== 0) {
    throw invalidImage(place.path, `an entry of its ${table} is ${hex(hi, lo)}`);
  }
  return offset;
}

/**
 * How many L2 entries from byte `at` of a page on, `most` at most, say the same as the first: absent or zero again and
 * again, or clusters one after the other within the file. Tables are mostly such runs, so this is what makes
 * reading them fast.
 */
export function runOfEntries(image: ImageShape, page: DataView, at: number, most: number): number {
  const hi = page.getUint32(at);
  const lo = page.getUint32(at + 4);
  if (isCompressed(hi)) return 1;
  const step = hostOffset(hi, lo) === 0 && (hi & COPIED) === 0 ? 0 : image.clusterBytes;
  const inFile = step === 0 ? most : Math.ceil((image.data.fileBytes - hostOffset(hi, lo)) / step);
  const limit = Math.min(most, inFile, (page.byteLength - at) / 8);
  let run = 1;
  while (run < limit && page.getUint32(at + run * 8 + 4) === lo + run * step && page.getUint32(at + run * 8) === hi)
    run++;
  return run;
}

/**
 * Where the guest bytes [at, at + length) are by the L2 entry of their cluster, or of the first of a run of them.
 * Refuses reserved bits and offsets that are not aligned or not within the file (QCOW2_INVALID) or in metadata
 * (QCOW2_OVERLAP). Source: qcow2 specification, "L2 table entry".
 */
export function decodeL2(image: ImageShape, hi: number, lo: number, at: number, length: number): Mapping {
  if (hi === 0 && lo === 0) return { at, length, kind: 'absent' };
  if (isCompressed(hi)) return decodeCompressed(image, hi, lo, at, length);
  const host = hostCluster(image, hi, lo, at, length);
  if ((lo & READS_ZERO) !== 0) {
    if (image.version === 2) throw wrongEntry(image, hi, lo, at);
    return { at, length, kind: 'zero' };
  }
  if (host === undefined) throw wrongEntry(image, hi, lo, at);
  return { at, length, kind: 'file', fd: image.data.fd, offset: host + (at % image.clusterBytes) };
}

/**
 * Host offset of the cluster of guest byte `at`, the first of a run up to `at + length`, by an entry that is not
 * compressed; undefined if it has none. Errors as decodeL2's.
 */
export function hostCluster(image: ImageShape, hi: number, lo: number, at: number, length: number): number | undefined {
  const { clusterBytes, data } = image;
  const offset = hostOffset(hi, lo);
  const copied = (hi & COPIED) !== 0;
  const reserved = (hi & 0x3f000000) !== 0 || (lo & 0x1fe) !== 0;
  // Only in an external file may a cluster be at byte 0: there each is where the guest has it.
  const misplaced = data.external ? offset !== at - (at % clusterBytes) : offset === 0;
  const none = offset === 0 && !copied;
  if (reserved || offset % clusterBytes !== 0 || (!none && (misplaced || offset >= data.fileBytes))) {
    throw wrongEntry(image, hi, lo, at);
  }
  if (none) return undefined;
  const end = offset + Math.ceil(((at % clusterBytes) + length) / clusterBytes) * clusterBytes;
  checkData(image, offset, end, at);
  return offset;
}

/** Source: qcow2 specification, "Compressed Clusters Descriptor"; its x is `offsetBits`. */
function decodeCompressed(image: ImageShape, hi: number, lo: number, at: number, length: number): Mapping {
  const { clusterBits, clusterBytes, compression: codec } = image;
  const { fd, fileBytes, external } = image.data;
  const offsetBits = 62 - (clusterBits - 8);
  const descriptor = hi & 0x3fffffff;
  const offset = (descriptor % 2 ** (offsetBits - 32)) * TWO_32 + lo;
  const moreSectors = Math.floor(descriptor / 2 ** (offsetBits - 32));
  const end = offset - (offset % SECTOR_BYTES) + (moreSectors + 1) * SECTOR_BYTES;
  if (external || (hi & COPIED) !== 0 || offset >= fileBytes) throw wrongEntry(image, hi, lo, at);
  checkData(image, offset, end, at);
  const stored = Math.min(end, fileBytes) - offset;
  return { at, length, kind: 'compressed', fd, offset, stored, codec, skip: at % clusterBytes, clusterBytes };
}

function checkData(image: ImageShape, start: number, end: number, at: number): void {
  if (image.data.external || !image.metadata.holds(start, end)) return;
  throw overlap(image.path, `the data of guest byte ${at} lie in its metadata`);
}

function wrongEntry(image: ImageShape, hi: number, lo: number, at: number) {
  return invalidImage(image.path, `the L2 entry of guest byte ${at} is ${hex(hi, lo)}`);
}

function hex(hi: number, lo: number): string {
  return `0x${(hi >>> 0).toString(16).padStart(8, '0')}${(lo >>> 0).toString(16).padStart(8, '0')}`;
}
