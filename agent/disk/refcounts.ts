import type { HostFile } from './host-file.ts';
import { diskLimits } from './limits.ts';

/** Bytes of a refcount (order 4) and of an entry of the refcount table. */
const REFCOUNT_BYTES = 2;
const ENTRY_BYTES = 8;

export interface RefcountTable {
  readonly offset: number;
  readonly clusters: number;
  /** Clusters of the whole file, the refcounts' own among them. */
  readonly fileClusters: number;
}

/**
 * Appends refcounts to a file of `used` clusters of which each is in use exactly once: the table, then its blocks.
 * Source: qcow2 specification, "Host cluster management".
 */
export async function appendRefcounts(file: HostFile, used: number, clusterBytes: number): Promise<RefcountTable> {
  const { clusters, blocks } = sizes(used, clusterBytes);
  const fileClusters = used + clusters + blocks;
  const table = Buffer.alloc(clusters * clusterBytes);
  for (let block = 0; block < blocks; block++) {
    table.writeBigUInt64BE(BigInt((used + clusters + block) * clusterBytes), block * ENTRY_BYTES);
  }
  const offset = used * clusterBytes;
  await file.write(table, offset);
  await writeOnes(file, offset + table.length, fileClusters * REFCOUNT_BYTES);
  return { offset, clusters, fileClusters };
}

/** The table and the blocks count their own clusters, too: both grow until they cover the whole file. */
function sizes(used: number, clusterBytes: number): { clusters: number; blocks: number } {
  let clusters = 0;
  let blocks = 0;
  for (let covered = -1; covered < used + clusters + blocks; ) {
    covered = used + clusters + blocks;
    blocks = Math.ceil((covered * REFCOUNT_BYTES) / clusterBytes);
    clusters = Math.ceil((blocks * ENTRY_BYTES) / clusterBytes);
  }
  return { clusters, blocks };
}

/** A refcount of one, `bytes` bytes long. The last block's rest stays a hole: zeros. */
async function writeOnes(file: HostFile, offset: number, bytes: number): Promise<void> {
  const ones = Buffer.alloc(Math.min(bytes, diskLimits.zero_fill_bytes), Buffer.from([0, 1]));
  for (let done = 0; done < bytes; done += ones.length) {
    await file.write(ones.subarray(0, bytes - done), offset + done);
  }
}
