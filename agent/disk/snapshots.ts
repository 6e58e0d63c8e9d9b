import type { TablePlace } from './cluster-entry.ts';
import { mayBe, type Qcow2Header, type TableRange } from './header.ts';
import type { HostFile } from './host-file.ts';
import { invalidImage } from './invalid.ts';
import { diskLimits } from './limits.ts';

const HEAD_BYTES = 40;
/** Size of the VM state and of the disk, in version 3 obligatory. */
const EXTRA_BYTES_MIN = 16;
const EXTRA_BYTES_MAX = 1024;

/** Where the metadata of an image's internal snapshots are. */
export interface Snapshots {
  /** Their table, whose entries have no common length, and their L1 tables. */
  readonly ranges: readonly TableRange[];
  readonly l1: readonly TableRange[];
}

/**
 * Reads the table of internal snapshots. Refuses (QCOW2_INVALID) what is not within the file or its limit.
 * Source: qcow2 specification, "Snapshots".
 */
export async function readSnapshots(
  file: HostFile,
  place: TablePlace,
  { snapshots, version }: Pick<Qcow2Header, 'snapshots' | 'version'>,
): Promise<Snapshots> {
  const head = Buffer.alloc(HEAD_BYTES);
  const l1: TableRange[] = [];
  let end = snapshots.offset;
  for (let i = 0; i < snapshots.count; i++) {
    const at = snapshots.offset + Math.ceil((end - snapshots.offset) / 8) * 8;
    const whole = (await file.read(head, at)) === HEAD_BYTES;
    const extra = head.readUInt32BE(36);
    end = at + HEAD_BYTES + extra + head.readUInt16BE(12) + head.readUInt16BE(14);
    const extraAllowed = extra <= EXTRA_BYTES_MAX && (version === 2 || extra >= EXTRA_BYTES_MIN);
    const inBounds = end <= place.fileBytes && end - snapshots.offset <= diskLimits.snapshot_table_bytes_max;
    if (!whole || !extraAllowed || !inBounds)
      throw invalidImage(file.path, `its snapshot ${i} is cut short or too long`);
    const table = { offset: Number(head.readBigUInt64BE(0)), bytes: 8 * head.readUInt32BE(8) };
    if (table.bytes > diskLimits.l1_bytes_max || !mayBe(table, place)) {
      throw invalidImage(file.path, `the L1 table of its snapshot ${i} is not aligned or not within the file`);
    }
    l1.push(table);
  }
  return { ranges: [{ offset: snapshots.offset, bytes: end - snapshots.offset }, ...l1], l1 };
}
