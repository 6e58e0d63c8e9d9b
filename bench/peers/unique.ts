import { hash } from 'node:crypto';
import { closeSync, openSync, readSync, writeSync } from 'node:fs';

/** Clusters of qcow2, and chunks unless a user wants others. */
const CHUNK_BYTES = 64 * 1024;

/** Writes to a file what the layers' files hold, each cluster once, without zeros; gives how many bytes those are. */
export function writeUnique(layers: readonly string[], path: string): number {
  const seen = new Set<string>([hash('sha256', Buffer.alloc(CHUNK_BYTES))]);
  const chunk = Buffer.alloc(CHUNK_BYTES);
  const out = openSync(path, 'w');
  let written = 0;
  for (const layer of layers) {
    const fd = openSync(layer, 'r');
    for (let at = 0; readSync(fd, chunk, 0, CHUNK_BYTES, at) === CHUNK_BYTES; at += CHUNK_BYTES) {
      const fingerprint = hash('sha256', chunk);
      if (seen.has(fingerprint)) continue;
      seen.add(fingerprint);
      written += writeSync(out, chunk);
    }
    closeSync(fd);
  }
  closeSync(out);
  return written;
}
