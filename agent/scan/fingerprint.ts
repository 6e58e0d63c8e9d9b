import type { ReadAt } from '../../core/files.ts';
import { DIGEST_BYTES, isZero, sha256 } from '../../core/fingerprint.ts';
import { DATA, ZERO } from '../../core/format/segment.ts';
import { readPieces } from '../disk/pieces.ts';
import { chunksIn, type Found, type Job } from './job.ts';

/** Fills the job's buffer, which is `bytes`, and takes its chunks' fingerprints. Errors: DISK_IO_FAILED, CLUSTER_CORRUPT. */
export function fingerprint({ chunkBytes, spans }: Job, bytes: Uint8Array, readAt: ReadAt): Found {
  let at = 0;
  for (const { pieces, offset, length } of spans) {
    readPieces(pieces, offset, bytes.subarray(at, at + length), readAt);
    at += length;
  }
  const count = spans.reduce((sum, span) => sum + span.count, 0);
  const states = new Uint8Array(count);
  const fingerprints = new Uint8Array(count * DIGEST_BYTES);
  let slot = 0;
  for (const place of chunksIn(spans, chunkBytes)) {
    const chunk = bytes.subarray(place.at, place.at + place.length);
    states[slot] = isZero(chunk) ? ZERO : DATA;
    if (states[slot] === DATA) fingerprints.set(sha256(chunk), slot * DIGEST_BYTES);
    slot++;
  }
  return { states, fingerprints };
}
