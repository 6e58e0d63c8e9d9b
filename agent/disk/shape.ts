import { LayerMoverError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import { l1EntriesFor } from './cluster-table.ts';
import { encodeHeader } from './header-write.ts';
import type { DiskLayer } from './layer.ts';
import { diskLimits, SECTOR_BYTES } from './limits.ts';

export interface BackingLayer {
  /** As the new image shall name it, relative to its own folder. */
  readonly name: string;
  readonly format: 'qcow2' | 'raw';
  /** The layer of that name, for clusters that are written in part. It must stay open until `finish`. */
  readonly chain: DiskLayer;
}

export interface Qcow2Options {
  /** A multiple of 512. */
  readonly virtualBytes: number;
  /** A power of two from 512 to 2 MiB. */
  readonly clusterBytes: number;
  readonly version: 2 | 3;
  readonly backing?: BackingLayer;
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
