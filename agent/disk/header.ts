import { LayerMoverError } from '../../core/errors.ts';
import type { Codec } from './codec.ts';
import { BITMAPS_VALID, RAW_EXTERNAL_DATA, readFeatures } from './features.ts';
import { type Backing, namesOf } from './header-names.ts';
import { type HeaderStart, headerBytesOf, numberAt, readStart, V3_HEADER_BYTES } from './header-start.ts';
import type { HostFile } from './host-file.ts';
import { invalidImage } from './invalid.ts';
import { diskLimits, SECTOR_BYTES } from './limits.ts';

/** What a qcow2 header says of its image. */
export interface Qcow2Header {
  readonly version: 2 | 3;
  readonly clusterBits: number;
  readonly virtualBytes: number;
  readonly compression: Codec;
  /** L2 entries are 16 bytes long and tell of the 32 sub-clusters of each cluster. */
  readonly extendedL2: boolean;
  readonly l1: TableRange;
  readonly refcountTable: TableRange;
  readonly snapshots: { readonly count: number; readonly offset: number };
  /** Persistent bitmaps, if they are valid: how many, and their directory. */
  readonly bitmaps: { readonly count: number; readonly directory: TableRange } | undefined;
  readonly backing: Backing | undefined;
  /** The name of the file that has the clusters, if it is not the image itself. */
  readonly dataFile: string | undefined;
}

/** Where in the host file a table is. */
export interface TableRange {
  readonly offset: number;
  readonly bytes: number;
}

/**
 * Reads and checks the header of a qcow2 image of `fileBytes` bytes; versions 2 and 3.
 * Errors: QCOW2_VERSION_UNSUPPORTED, QCOW2_ENCRYPTED, a code for each feature not understood (features.ts),
 * QCOW2_TABLE_TOO_LARGE, and QCOW2_INVALID for what the specification forbids.
 * Source: qcow2 specification (docs/interop/qcow2 of QEMU), "Header", "Header extensions".
 */
export async function readHeader(file: HostFile, fileBytes: number): Promise<Qcow2Header> {
  const { path } = file;
  const start = await readStart(file, fileBytes);
  const { version, clusterBits, area } = start;
  const { compression, extendedL2, external, bitmapsValid } = version === 3 ? v3Fields(path, start) : V2_FIELDS;
  if (area.readUInt32BE(32) !== 0) {
    throw new LayerMoverError('QCOW2_ENCRYPTED', `${path} is encrypted`, {
      hint: 'decrypt it: qemu-img convert with its secret to an image without encryption',
      data: { path },
    });
  }
  const virtualBytes = numberAt(path, area, 24, 'disk size');
  if (virtualBytes % SECTOR_BYTES !== 0)
    throw invalidImage(path, `its disk size ${virtualBytes} is no multiple of 512`);
  const clusterBytes = 2 ** clusterBits;
  if (extendedL2 && clusterBits < diskLimits.extended_cluster_bits_min) {
    throw invalidImage(path, `its sub-clusters are smaller than ${SECTOR_BYTES} bytes`);
  }
  const bytesPerTable = clusterBytes * (clusterBytes / (extendedL2 ? 16 : 8));
  const l1Needed = Math.ceil(virtualBytes / bytesPerTable);
  const tables = tablesOf(path, area, { clusterBytes, l1Needed, fileBytes });
  const { backing, extensions } = namesOf(path, start);
  const { dataFile } = extensions;
  if (external && !dataFile) throw invalidImage(path, 'it does not name the file that has its data');
  const bitmaps = bitmapsValid ? bitmapsOf(path, extensions.bitmaps, { clusterBytes, fileBytes }) : undefined;
  const shape = { version, clusterBits, virtualBytes, compression, extendedL2 } as const;
  return { ...shape, ...tables, bitmaps, backing, dataFile: external ? dataFile : undefined };
}

const V2_FIELDS = { compression: 'deflate', extendedL2: false, external: false, bitmapsValid: false } as const;

function v3Fields(path: string, start: HeaderStart) {
  const { area } = start;
  const features = readFeatures(path, area.readBigUInt64BE(72));
  const autoclear = area.readBigUInt64BE(88);
  if ((autoclear & RAW_EXTERNAL_DATA) !== 0n && !features.externalData) {
    throw invalidImage(path, 'it says that its external data are raw, and has none');
  }
  const headerBytes = headerBytesOf(path, start);
  if (area.readUInt32BE(96) > 6) throw invalidImage(path, 'its refcounts are wider than 64 bits');
  const type = headerBytes > V3_HEADER_BYTES ? area[104]! : 0;
  if (type > 1 || features.compressionType !== (type === 1)) {
    throw invalidImage(path, `its compression type is ${type}`);
  }
  const compression: Codec = type === 1 ? 'zstd' : 'deflate';
  const bitmapsValid = (autoclear & BITMAPS_VALID) !== 0n;
  return { compression, extendedL2: features.extendedL2, external: features.externalData, bitmapsValid };
}

/** Every table must lie, aligned, within the file and its limit before anything of it is read. */
function tablesOf(path: string, area: Buffer, shape: { clusterBytes: number; l1Needed: number; fileBytes: number }) {
  const { clusterBytes, l1Needed, fileBytes } = shape;
  const table = (name: string, field: number, bytes: number, limit: number): TableRange => {
    const range = { offset: numberAt(path, area, field, name), bytes };
    if (bytes > limit) {
      throw new LayerMoverError('QCOW2_TABLE_TOO_LARGE', `the ${name} of ${path} has ${bytes} bytes`, {
        hint: 'use larger clusters: qemu-img convert -O qcow2 -o cluster_size=2M',
        data: { path, table: name, bytes, limit },
      });
    }
    if (!mayBe(range, { clusterBytes, fileBytes })) {
      throw invalidImage(path, `its ${name} is not aligned or not within the file`);
    }
    return range;
  };
  const l1Entries = area.readUInt32BE(36);
  const l1 = table('L1 table', 40, l1Entries * 8, diskLimits.l1_bytes_max);
  if (l1Entries < l1Needed) throw invalidImage(path, `its L1 table has ${l1Entries} of ${l1Needed} entries`);
  const refcountBytes = area.readUInt32BE(56) * clusterBytes;
  const refcountTable = table('refcount table', 48, refcountBytes, diskLimits.refcount_table_bytes_max);
  if (refcountBytes === 0) throw invalidImage(path, 'it has no refcount table');
  const count = area.readUInt32BE(60);
  if (count > diskLimits.snapshots_max) throw invalidImage(path, `it has ${count} snapshots`);
  return { l1, refcountTable, snapshots: { count, offset: table('snapshot table', 64, 0, 0).offset } };
}

/** Source: qcow2 specification, "Bitmaps extension". */
function bitmapsOf(path: string, content: Buffer | undefined, file: { clusterBytes: number; fileBytes: number }) {
  if (content === undefined) return undefined;
  const count = content.readUInt32BE(0);
  const bytes = numberAt(path, content, 8, 'bitmaps');
  const directory = { offset: numberAt(path, content, 16, 'bitmaps'), bytes };
  const inLimits = count > 0 && count <= diskLimits.bitmaps_max && bytes <= diskLimits.bitmap_directory_bytes_max;
  if (content.readUInt32BE(4) === 0 && inLimits && mayBe(directory, file)) return { count, directory };
  throw invalidImage(path, 'the directory of its bitmaps is too long, not aligned or not within the file');
}

/** Whether a table is aligned and within the file, and not where the header is. */
export function mayBe({ offset, bytes }: TableRange, file: { clusterBytes: number; fileBytes: number }): boolean {
  return offset % file.clusterBytes === 0 && (offset > 0 || bytes === 0) && offset + bytes <= file.fileBytes;
}
