import type { HostFile } from './host-file.ts';
import { invalidImage } from './invalid.ts';
import { diskLimits } from './limits.ts';

const HEAD_BYTES = 40;
/** Size of the VM state and of the disk, in version 3 obligatory. */
const EXTRA_BYTES_MIN = 16;
const EXTRA_BYTES_MAX = 1024;

/**
 * Bytes of the table of internal snapshots, whose entries have no common length. Refuses (QCOW2_INVALID) a table that
 * is not within the file or its limit. Source: qcow2 specification, "Snapshots".
 */
export async function snapshotTableBytes(
  file: HostFile,
  fileBytes: number,
  snapshots: { readonly count: number; readonly offset: number },
  version: 2 | 3,
): Promise<number> {
  const head = Buffer.alloc(HEAD_BYTES);
  let end = snapshots.offset;
  for (let i = 0; i < snapshots.count; i++) {
    const at = snapshots.offset + Math.ceil((end - snapshots.offset) / 8) * 8;
    const whole = (await file.read(head, at)) === HEAD_BYTES;
    const extra = head.readUInt32BE(36);
    end = at + HEAD_BYTES + extra + head.readUInt16BE(12) + head.readUInt16BE(14);
    const extraAllowed = extra <= EXTRA_BYTES_MAX && (version === 2 || extra >= EXTRA_BYTES_MIN);
    const inBounds = end <= fileBytes && end - snapshots.offset <= diskLimits.snapshot_table_bytes_max;
    if (!whole || !extraAllowed || !inBounds)
      throw invalidImage(file.path, `its snapshot ${i} is cut short or too long`);
  }
  return end - snapshots.offset;
}
