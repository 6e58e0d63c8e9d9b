import { parentPort, workerData } from 'node:worker_threads';
import { errorToJson } from '../../core/errors.ts';
import { DIGEST_BYTES, isZero, sha256 } from '../../core/fingerprint.ts';
import { DATA, ZERO } from '../../core/format/segment.ts';
import { readPieces } from '../disk/pieces.ts';
import { chunksIn, type Found, type Job } from './job.ts';

/** The thread that reads and fingerprints chunks (pool.ts). Files and buffers are shared with the main thread. */
const buffers = (workerData as SharedArrayBuffer[]).map((shared) => new Uint8Array(shared));

parentPort!.on('message', (job: Job) => {
  try {
    const found = fingerprint(job);
    parentPort!.postMessage(found, [found.states.buffer as ArrayBuffer, found.fingerprints.buffer as ArrayBuffer]);
  } catch (error) {
    parentPort!.postMessage({ error: errorToJson(error) });
  }
});

function fingerprint({ buffer, chunkBytes, spans }: Job): Found {
  const bytes = buffers[buffer]!;
  let at = 0;
  for (const { pieces, offset, length } of spans) {
    readPieces(pieces, offset, bytes.subarray(at, at + length));
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
