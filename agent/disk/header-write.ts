import { LayerMoverError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import { checkBackingName } from './backing.ts';
import { l1EntriesFor } from './cluster-table.ts';
import { BACKING_FORMAT_EXTENSION } from './extensions.ts';
import { QCOW2_MAGIC, V2_HEADER_BYTES, V3_HEADER_BYTES } from './header-start.ts';
import { diskLimits, SECTOR_BYTES } from './limits.ts';
import type { Qcow2Options } from './writer.ts';

/** A header to be written. Refcounts are 16 bits wide, features are none. */
export interface NewHeader {
  readonly version: 2 | 3;
  readonly clusterBytes: number;
  readonly virtualBytes: number;
  readonly l1Entries: number;
  readonly l1Offset: number;
  readonly refcounts: { readonly offset: number; readonly clusters: number };
  readonly backing: { readonly name: string; readonly format: string } | undefined;
}

const REFCOUNT_ORDER = 4;

/**
 * The first cluster of an image. Refuses a backing name that is no plain file (BACKING_NAME_REFUSED) or that does
 * not fit into the cluster (DISK_SHAPE_REFUSED). Source: qcow2 specification, "Header", "Header extensions".
 */
export function encodeHeader(path: string, header: NewHeader): Buffer {
  const area = Buffer.alloc(header.clusterBytes);
  area.writeUInt32BE(QCOW2_MAGIC, 0);
  area.writeUInt32BE(header.version, 4);
  area.writeUInt32BE(Math.log2(header.clusterBytes), 20);
  area.writeBigUInt64BE(BigInt(header.virtualBytes), 24);
  area.writeUInt32BE(header.l1Entries, 36);
  area.writeBigUInt64BE(BigInt(header.l1Offset), 40);
  area.writeBigUInt64BE(BigInt(header.refcounts.offset), 48);
  area.writeUInt32BE(header.refcounts.clusters, 56);
  if (header.version === 3) {
    area.writeUInt32BE(REFCOUNT_ORDER, 96);
    area.writeUInt32BE(V3_HEADER_BYTES, 100);
  }
  if (header.backing !== undefined) {
    checkBackingName(path, header.backing.name);
    writeBacking(path, area, header.version === 3 ? V3_HEADER_BYTES : V2_HEADER_BYTES, header.backing);
  }
  return area;
}

/** Refuses what can't be made (DISK_SHAPE_REFUSED, BACKING_NAME_REFUSED) before there is a file. */
export function checkShape(path: string, options: Qcow2Options): void {
  const { version, virtualBytes, clusterBytes, backing } = options;
  const bits = Math.log2(clusterBytes);
  const clusterAllowed =
    Number.isInteger(bits) && bits >= diskLimits.cluster_bits_min && bits <= diskLimits.cluster_bits_max;
  const sizeAllowed = virtualBytes >= 0 && virtualBytes <= limits.disk_bytes_max && virtualBytes % SECTOR_BYTES === 0;
  if (!clusterAllowed || !sizeAllowed || l1EntriesFor(virtualBytes, clusterBytes) * 8 > diskLimits.l1_bytes_max) {
    throw new LayerMoverError('DISK_SHAPE_REFUSED', `${path} can't be a qcow2 image of that shape`, {
      hint: 'sizes are multiples of 512 bytes, clusters powers of two from 512 bytes to 2 MiB; large disks need large ones',
      data: { path, virtualBytes, clusterBytes },
    });
  }
  const refcounts = { offset: 0, clusters: 0 };
  encodeHeader(path, { version, clusterBytes, virtualBytes, l1Entries: 0, l1Offset: 0, refcounts, backing });
}

/** The format as an extension, the end of extensions, then the name. */
function writeBacking(path: string, area: Buffer, at: number, backing: { name: string; format: string }): void {
  const name = Buffer.from(backing.name);
  const nameAt = at + 8 + Math.ceil(backing.format.length / 8) * 8 + 8;
  if (nameAt + name.length > area.length) {
    throw new LayerMoverError('DISK_SHAPE_REFUSED', `the backing name of ${path} does not fit into a cluster`, {
      hint: 'use a shorter backing name or larger clusters',
      data: { path, name: backing.name, clusterBytes: area.length },
    });
  }
  area.writeUInt32BE(BACKING_FORMAT_EXTENSION, at);
  area.writeUInt32BE(backing.format.length, at + 4);
  area.write(backing.format, at + 8, 'latin1');
  area.writeBigUInt64BE(BigInt(nameAt), 8);
  area.writeUInt32BE(name.length, 16);
  name.copy(area, nameAt);
}
