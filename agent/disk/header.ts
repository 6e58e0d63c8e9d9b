import { LayerMoverError } from '../../core/errors.ts';
import type { Codec } from './codec.ts';
import { COMPRESSION_TYPE_BIT, checkFeatures } from './features.ts';
import type { HostFile } from './host-file.ts';
import { diskLimits, SECTOR_BYTES } from './limits.ts';

export const QCOW2_MAGIC = 0x514649fb;
export const BACKING_FORMAT_EXTENSION = 0xe2792aca;
export const V2_HEADER_BYTES = 72;
export const V3_HEADER_BYTES = 104;

/** What a qcow2 header says of its image. */
export interface Qcow2Header {
  readonly version: 2 | 3;
  readonly clusterBits: number;
  readonly virtualBytes: number;
  readonly l1Offset: number;
  readonly compression: Codec;
  readonly backing: Backing | undefined;
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
  const { headerBytes, compression } = version === 3 ? v3Fields(path, area) : V2_FIELDS;
  if (area.readUInt32BE(32) !== 0) {
    throw new LayerMoverError('QCOW2_ENCRYPTED', `${path} is encrypted`, {
      hint: 'decrypt it: qemu-img convert with its secret to an image without encryption',
      data: { path },
    });
  }
  const virtualBytes = number(path, area, 24, 'disk size');
  if (virtualBytes % SECTOR_BYTES !== 0)
    throw invalidImage(path, `its disk size ${virtualBytes} is no multiple of 512`);
  checkTables(path, area, clusterBits, virtualBytes, fileBytes);
  const backing = backingOf(path, area, headerBytes);
  return { version, clusterBits, virtualBytes, l1Offset: number(path, area, 40, 'L1 table'), compression, backing };
}

const V2_FIELDS = { headerBytes: V2_HEADER_BYTES, compression: 'deflate' } as const;

function v3Fields(path: string, area: Buffer): { headerBytes: number; compression: Codec } {
  if (area.length < V3_HEADER_BYTES) throw invalidImage(path, 'its header is cut short');
  const features = area.readBigUInt64BE(72);
  checkFeatures(path, features);
  const headerBytes = area.readUInt32BE(100);
  if (headerBytes < V3_HEADER_BYTES || headerBytes % 8 !== 0 || headerBytes > area.length) {
    throw invalidImage(path, `its header length is ${headerBytes}`);
  }
  if (area.readUInt32BE(96) > 6) throw invalidImage(path, 'its refcounts are wider than 64 bits');
  const type = headerBytes > V3_HEADER_BYTES ? area[104]! : 0;
  const named = (features & (1n << COMPRESSION_TYPE_BIT)) !== 0n;
  if (type > 1 || named !== (type === 1)) throw invalidImage(path, `its compression type is ${type}`);
  return { headerBytes, compression: type === 1 ? 'zstd' : 'deflate' };
}

/** Every table must lie, aligned, within the file and its limit before anything of it is read. */
function checkTables(path: string, area: Buffer, clusterBits: number, virtualBytes: number, fileBytes: number): void {
  const clusterBytes = 2 ** clusterBits;
  const table = (name: string, field: number, bytes: number, limit: number) => {
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
  };
  const l1Entries = area.readUInt32BE(36);
  const l1Needed = Math.ceil(virtualBytes / (clusterBytes * (clusterBytes / 8)));
  table('L1 table', 40, l1Entries * 8, diskLimits.l1_bytes_max);
  if (l1Entries < l1Needed) throw invalidImage(path, `its L1 table has ${l1Entries} of ${l1Needed} entries`);
  table('refcount table', 48, area.readUInt32BE(56) * clusterBytes, diskLimits.refcount_table_bytes_max);
  const snapshots = area.readUInt32BE(60);
  if (snapshots > diskLimits.snapshots_max) throw invalidImage(path, `it has ${snapshots} snapshots`);
  if (snapshots > 0) table('snapshot table', 64, 0, 0);
}

function backingOf(path: string, area: Buffer, headerBytes: number): Backing | undefined {
  const offset = number(path, area, 8, 'backing name');
  const length = area.readUInt32BE(16);
  const format = backingFormat(path, area.subarray(0, offset === 0 ? area.length : offset), headerBytes);
  if (offset === 0) return undefined;
  if (length > diskLimits.backing_name_bytes_max || offset < headerBytes || offset + length > area.length) {
    throw invalidImage(path, 'its backing name is too long or not within the first cluster');
  }
  if (length === 0) return undefined;
  return { name: text(path, area.subarray(offset, offset + length)), format };
}

/** The backing format among the header extensions, which end at a zero type or with `area`. */
function backingFormat(path: string, area: Buffer, headerBytes: number): string | undefined {
  for (let at = headerBytes; at + 8 <= area.length; ) {
    const type = area.readUInt32BE(at);
    const length = area.readUInt32BE(at + 4);
    if (type === 0) return undefined;
    if (length > area.length - at - 8) throw invalidImage(path, 'a header extension is cut short');
    if (type === BACKING_FORMAT_EXTENSION) {
      if (length > diskLimits.backing_format_bytes_max) throw invalidImage(path, 'its backing format is too long');
      return text(path, area.subarray(at + 8, at + 8 + length));
    }
    at += 8 + Math.ceil(length / 8) * 8;
  }
  return undefined;
}

function number(path: string, area: Buffer, offset: number, name: string): number {
  const value = area.readBigUInt64BE(offset);
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw invalidImage(path, `the number of its ${name} is too large`);
  return Number(value);
}

function text(path: string, bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw invalidImage(path, 'a name in its header is not UTF-8', cause);
  }
}

/** What the specification forbids, found in the image at `path`. */
export function invalidImage(path: string, what: string, cause?: unknown): LayerMoverError {
  return new LayerMoverError('QCOW2_INVALID', `${path} is no valid qcow2 image: ${what}`, {
    hint: 'run qemu-img check on it; restore it from a copy if it is damaged',
    data: { path },
    cause,
  });
}
