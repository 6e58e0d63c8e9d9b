import { LayerMoverError } from '../../core/errors.ts';
import type { ClusterTable } from './cluster-table.ts';
import type { HostFile } from './host-file.ts';
import { diskLimits } from './limits.ts';

/** Bytes of a refcount (order 4) and of an entry of the refcount table. */
const REFCOUNT_BYTES = 2;
const ENTRY_BYTES = 8;

/**
 * The refcounts of a file that only grows and of which each cluster is in use exactly once. The table has its place, with
 * room for all that the disk can ever hold, from the start (a hole until it is written): so the header that names it
 * never changes, and what is written later is counted by what it adds, not by what is there.
 * Source: qcow2 specification, "Host cluster management".
 */
export class Refcounts {
  readonly offset: number;
  /** Clusters of the table. */
  readonly clusters: number;
  readonly #file: HostFile;
  readonly #table: ClusterTable;
  readonly #clusterBytes: number;
  /** Clusters of the file whose refcount is written. */
  #counted = 0;
  #blocks = 0;
  #lastBlock = 0;

  /** Takes the next clusters of `table` for its own. */
  constructor(file: HostFile, table: ClusterTable, virtualBytes: number, clusterBytes: number) {
    this.#file = file;
    this.#table = table;
    this.#clusterBytes = clusterBytes;
    const most = table.clusters + table.l1Entries + Math.ceil(virtualBytes / clusterBytes);
    this.clusters = tableClusters(most, clusterBytes);
    this.offset = table.allocate(this.clusters);
  }

  /** Writes the refcounts of all clusters that have come since the last time, those of its own blocks among them. */
  async flush(): Promise<void> {
    const perBlock = this.#clusterBytes / REFCOUNT_BYTES;
    const firstNew = this.#blocks;
    let host = 0;
    while (this.#blocks * perBlock < this.#table.clusters) {
      // Nothing else is allocated meanwhile: new blocks lie back to back.
      const block = this.#table.allocate(1);
      if (this.#blocks++ === firstNew) host = block;
    }
    const { clusters } = this.#table;
    const old = Math.min(clusters, firstNew * perBlock);
    if (this.#counted < old)
      await this.#count(this.#lastBlock - (firstNew - 1) * this.#clusterBytes, this.#counted, old);
    if (old < clusters) {
      await this.#count(host - firstNew * this.#clusterBytes, Math.max(old, this.#counted), clusters);
      await this.#nameBlocks(firstNew, host);
      this.#lastBlock = host + (this.#blocks - 1 - firstNew) * this.#clusterBytes;
    }
    this.#counted = clusters;
  }

  /** Sets the refcounts of clusters [from, to) to one; `base` is where block 0 would be if all were back to back. */
  async #count(base: number, from: number, to: number): Promise<void> {
    const bytes = (to - from) * REFCOUNT_BYTES;
    const ones = Buffer.alloc(Math.min(bytes, diskLimits.zero_fill_bytes), Buffer.from([0, 1]));
    for (let done = 0; done < bytes; done += ones.length) {
      await this.#file.write(ones.subarray(0, bytes - done), base + from * REFCOUNT_BYTES + done);
    }
  }

  /** Enters blocks from number `first` on, the first of them at `host`, into the table. */
  async #nameBlocks(first: number, host: number): Promise<void> {
    const entries = Buffer.alloc((this.#blocks - first) * ENTRY_BYTES);
    if (first * ENTRY_BYTES + entries.length > this.clusters * this.#clusterBytes) throw tooLarge(this.#file.path);
    for (let at = 0; at < entries.length; at += ENTRY_BYTES) {
      entries.writeBigUInt64BE(BigInt(host + (at / ENTRY_BYTES) * this.#clusterBytes), at);
    }
    await this.#file.write(entries, this.offset + first * ENTRY_BYTES);
  }
}

/** Clusters of a table for a file of `used` clusters beside the refcounts' own; no more than QEMU would read. */
function tableClusters(used: number, clusterBytes: number): number {
  let clusters = 0;
  let blocks = 0;
  for (let covered = -1; covered < used + clusters + blocks; ) {
    covered = used + clusters + blocks;
    blocks = Math.ceil((covered * REFCOUNT_BYTES) / clusterBytes);
    clusters = Math.ceil((blocks * ENTRY_BYTES) / clusterBytes);
  }
  return Math.min(clusters, diskLimits.refcount_table_bytes_max / clusterBytes);
}

function tooLarge(path: string): LayerMoverError {
  return new LayerMoverError('DISK_SHAPE_REFUSED', `${path} holds more clusters than qcow2 can count`, {
    hint: 'such a disk needs larger clusters: qemu-img convert -o cluster_size=64k',
    data: { path },
  });
}
