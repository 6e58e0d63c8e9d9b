import { sha256, toHex } from '../../core/fingerprint.ts';
import type { TablePlace } from './cluster-entry.ts';
import { mayBe, type Qcow2Header, type TableRange } from './header.ts';
import type { HostFile } from './host-file.ts';
import { invalidImage } from './invalid.ts';
import { diskLimits } from './limits.ts';

const HEAD_BYTES = 24;
const IN_USE = 1;
const KNOWN_FLAGS = 3;
const DIRTY_TRACKING = 1;

/** Where the metadata of an image's persistent bitmaps are. */
export interface Bitmaps {
  /** Their directory, whose entries have no common length, and their tables. */
  readonly ranges: readonly TableRange[];
  readonly tables: readonly TableRange[];
}

/**
 * Reads the directory of bitmaps, which tell what changed since a backup: they do not travel with the disk. Refuses
 * (QCOW2_INVALID) what QEMU does, or what is not within the file or its limit.
 * Source: qcow2 specification, "Bitmaps extension", "Bitmap directory".
 */
export async function readBitmaps(
  file: HostFile,
  place: TablePlace,
  { bitmaps, virtualBytes }: Pick<Qcow2Header, 'bitmaps' | 'virtualBytes'>,
): Promise<Bitmaps> {
  if (bitmaps === undefined) return { ranges: [], tables: [] };
  const { directory, count } = bitmaps;
  const head = Buffer.alloc(HEAD_BYTES);
  const tables: TableRange[] = [];
  const names = new Set<string>();
  let at = directory.offset;
  for (; at + HEAD_BYTES <= directory.offset + directory.bytes; ) {
    await file.read(head, at);
    tables.push(tableOf(place, head, virtualBytes, tables.length));
    names.add(await nameAt(file, at + HEAD_BYTES, head.readUInt16BE(18)));
    at += Math.ceil((HEAD_BYTES + head.readUInt16BE(18)) / 8) * 8;
  }
  if (at !== directory.offset + directory.bytes || tables.length !== count) {
    throw invalidImage(file.path, 'the directory of its bitmaps has another length than it says');
  }
  if (names.size < count) throw invalidImage(file.path, 'two of its bitmaps have one name');
  return { ranges: [directory, ...tables], tables };
}

/** A short stand-in for a name, which ends at a NUL if it has one. */
async function nameAt(file: HostFile, at: number, bytes: number): Promise<string> {
  const name = Buffer.alloc(bytes);
  await file.read(name, at);
  const end = name.indexOf(0);
  return toHex(sha256(end < 0 ? name : name.subarray(0, end)));
}

/** The table of the bitmap whose entry in the directory begins with `head`. */
function tableOf(place: TablePlace, head: Buffer, virtualBytes: number, number: number): TableRange {
  const entries = head.readUInt32BE(8);
  const table = { offset: Number(head.readBigUInt64BE(0)), bytes: 8 * entries };
  const flags = head.readUInt32BE(12);
  const granularityBits = head[17]!;
  const nameBytes = head.readUInt16BE(18);
  const { bitmap_granularity_bits_min, bitmap_granularity_bits_max } = diskLimits;
  const granularityAllowed =
    granularityBits >= bitmap_granularity_bits_min && granularityBits <= bitmap_granularity_bits_max;
  const known = (flags & ~KNOWN_FLAGS) === 0 && head[16] === DIRTY_TRACKING && head.readUInt32BE(20) === 0;
  const named = nameBytes > 0 && nameBytes <= diskLimits.bitmap_name_bytes_max;
  const bits = Math.ceil(virtualBytes / 2 ** granularityBits);
  // One that was in use when its writer ended is as long as the disk was then, and nobody relies on it.
  const fits = (flags & IN_USE) !== 0 || entries === Math.ceil(Math.ceil(bits / 8) / place.clusterBytes);
  const inLimit = entries > 0 && entries <= diskLimits.bitmap_bytes_max / place.clusterBytes;
  if (granularityAllowed && known && named && fits && inLimit && mayBe(table, place)) return table;
  throw invalidImage(place.path, `its bitmap ${number} is none that QEMU would read`);
}
