import { DATA } from '../../core/format/segment.ts';
import { limits } from '../../core/limits.ts';

const BLOCK_BYTES = 4096;

/**
 * Bytes between the segments of a manifest file. Each has room for the largest one at a place of its own, so segments
 * may come in any order and more than once; what a smaller one leaves free stays a hole.
 */
export const SLOT_BYTES = Math.ceil(limits.segment_bytes_max / BLOCK_BYTES) * BLOCK_BYTES;

const HEAD_BYTES = 8;

/**
 * The canonical bytes of the segment that a slot begins with; whatever an earlier, longer one left behind it is cut
 * off. Does not check them: the caller compares their SHA-256 with the segment's id.
 */
export function segmentBytesOf(slot: Uint8Array): Uint8Array {
  if (slot.length < HEAD_BYTES) return slot;
  const chunks = new DataView(slot.buffer, slot.byteOffset).getUint16(6);
  const states = slot.subarray(HEAD_BYTES, HEAD_BYTES + Math.ceil(chunks / 4));
  let data = 0;
  for (const four of states) {
    for (let shift = 0; shift < 8; shift += 2) if (((four >> shift) & 3) === DATA) data++;
  }
  return slot.subarray(0, HEAD_BYTES + states.length + 32 * data);
}
