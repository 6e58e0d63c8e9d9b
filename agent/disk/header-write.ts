import { LayerMoverError } from '../../core/errors.ts';
import { checkBackingName } from './backing.ts';
import { BACKING_FORMAT_EXTENSION } from './extensions.ts';
import { QCOW2_MAGIC, V2_HEADER_BYTES, V3_HEADER_BYTES } from './header-start.ts';

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
