import { LayerMoverError } from '../../core/errors.ts';
import type { Codec } from './codec.ts';
import { readExtensions } from './extensions.ts';
import { RAW_EXTERNAL_DATA, readFeatures } from './features.ts';
import type { HostFile } from './host-file.ts';
import { invalidImage, utf8 } from './invalid.ts';
import { diskLimits, SECTOR_BYTES } from './limits.ts';

export const QCOW2_MAGIC = 0x514649fb;
export const V2_HEADER_BYTES = 72;
export const V3_HEADER_BYTES = 104;

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
  readonly backing: Backing | undefined;
  /** The name of the file that has the clusters, if it is not the image itself. */
  readonly dataFile: string | undefined;
}

/** Where in the host file a table is. */
export interface TableRange {
  readonly offset: number;
  readonly bytes: number;
}

/** A backing file as its overlay names it; without a format its content decides. */
export interface Backing {
  readonly name: string;
  readonly format: string | undefined;
}

/**
 * Reads and checks the header of a qcow2 image of `fileBytes` bytes; versions 2 and 3.
 * Errors: QCOW2_VERSION_UNSUPPORTED, QCOW2_ENCRYPTED, a code for each feature not understood (features.ts),
 * QCOW2_TABLE_TOO_LARGE, and QCOW2_INVALID for what the specification forbids.
 * Source: qcow2 specification (docs/interop/qcow2 of QEMU), "Header", "Header extensions".
 */
export async function readHeader(file: HostFile, fileBytes: number): Promise<Qcow2Header> {
  const { path } = file;
  const start = Buffer.alloc(V3_HEADER_BYTES + 8);
  if ((await file.read(start, 0)) < V2_HEADER_BYTES) throw invalidImage(path, 'its header is cut short');
  const version = start.readUInt32BE(4);
  if (version !== 2 && version !== 3) {
    throw new LayerMoverError('QCOW2_VERSION_UNSUPPORTED', `${path} has qcow2 version ${version}`, {
      hint: 'convert it: qemu-img convert -O qcow2',
      data: { path, version },
    });
  }
  const clusterBits = start.readUInt32BE(20);
  if (clusterBits < diskLimits.cluster_bits_min || clusterBits > diskLimits.cluster_bits_max) {
    throw invalidImage(path, `its cluster size is 2^${clusterBits} bytes`);
  }
  const area = Buffer.alloc(Math.min(2 ** clusterBits, fileBytes));
  await file.read(area, 0);
  const { headerBytes, compression, extendedL2, external } = version === 3 ? v3Fields(path, area) : V2_FIELDS;
  if (area.readUInt32BE(32) !== 0) {
    throw new LayerMoverError('QCOW2_ENCRYPTED', `${path} is encrypted`, {
      hint: 'decrypt it: qemu-img convert with its secret to an image without encryption',
      data: { path },
    });
  }
  const virtualBytes = number(path, area, 24, 'disk size');
  if (virtualBytes % SECTOR_BYTES !== 0)
    throw invalidImage(path, `its disk size ${virtualBytes} is no multiple of 512`);
  const clusterBytes = 2 ** clusterBits;
  if (extendedL2 && clusterBits < diskLimits.extended_cluster_bits_min) {
    throw invalidImage(path, `its sub-clusters are smaller than ${SECTOR_BYTES} bytes`);
  }
  const bytesPerTable = clusterBytes * (clusterBytes / (extendedL2 ? 16 : 8));
  const l1Needed = Math.ceil(virtualBytes / bytesPerTable);
  const tables = tablesOf(path, area, { clusterBytes, l1Needed, fileBytes });
  const { backing, dataFile } = namesOf(path, area, headerBytes);
  if (external && !dataFile) throw invalidImage(path, 'it does not name the file that has its data');
  const shape = { version, clusterBits, virtualBytes, compression, extendedL2 } as const;
  return { ...shape, ...tables, backing, dataFile: external ? dataFile : undefined };
}

const V2_FIELDS = { headerBytes: V2_HEADER_BYTES, compression: 'deflate', extendedL2: false, external: false } as const;

function v3Fields(path: string, area: Buffer) {
  if (area.length < V3_HEADER_BYTES) throw invalidImage(path, 'its header is cut short');
  const features = readFeatures(path, area.readBigUInt64BE(72));
  if ((area.readBigUInt64BE(88) & RAW_EXTERNAL_DATA) !== 0n && !features.externalData) {
    throw invalidImage(path, 'it says that its external data are raw, and has none');
  }
  const headerBytes = area.readUInt32BE(100);
  if (headerBytes < V3_HEADER_BYTES || headerBytes % 8 !== 0 || headerBytes > area.length) {
    throw invalidImage(path, `its header length is ${headerBytes}`);
  }
  if (area.readUInt32BE(96) > 6) throw invalidImage(path, 'its refcounts are wider than 64 bits');
  const type = headerBytes > V3_HEADER_BYTES ? area[104]! : 0;
  if (type > 1 || features.compressionType !== (type === 1)) {
    throw invalidImage(path, `its compression type is ${type}`);
  }
  const compression: Codec = type === 1 ? 'zstd' : 'deflate';
  return { headerBytes, compression, extendedL2: features.extendedL2, external: features.externalData };
}

/** Every table must lie, aligned, within the file and its limit before anything of it is read. */
function tablesOf(path: string, area: Buffer, shape: { clusterBytes: number; l1Needed: number; fileBytes: number }) {
  const { clusterBytes, l1Needed, fileBytes } = shape;
  const table = (name: string, field: number, bytes: number, limit: number): TableRange => {
    const offset = number(path, area, field, name);
    if (bytes > limit) {
      throw new LayerMoverError('QCOW2_TABLE_TOO_LARGE', `the ${name} of ${path} has ${bytes} bytes`, {
        hint: 'use larger clusters: qemu-img convert -O qcow2 -o cluster_size=2M',
        data: { path, table: name, bytes, limit },
      });
    }
    if (offset % clusterBytes !== 0 || offset + bytes > fileBytes || (bytes > 0 && offset === 0)) {
      throw invalidImage(path, `its ${name} is not aligned or not within the file`);
    }
    return { offset, bytes };
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

/** The extensions, and the backing name that follows them. */
function namesOf(path: string, area: Buffer, headerBytes: number) {
  const offset = number(path, area, 8, 'backing name');
  const length = area.readUInt32BE(16);
  const { backingFormat, dataFile } = readExtensions(path, area.subarray(0, offset || area.length), headerBytes);
  if (offset === 0) return { backing: undefined, dataFile };
  if (length > diskLimits.backing_name_bytes_max || offset < headerBytes || offset + length > area.length) {
    throw invalidImage(path, 'its backing name is too long or not within the first cluster');
  }
  const name = utf8(path, area.subarray(offset, offset + length));
  return { backing: name === '' ? undefined : { name, format: backingFormat }, dataFile };
}

function number(path: string, area: Buffer, offset: number, name: string): number {
  const value = area.readBigUInt64BE(offset);
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw invalidImage(path, `the number of its ${name} is too large`);
  return Number(value);
}
