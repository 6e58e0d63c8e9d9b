import { hash } from 'node:crypto';
import { readSync, writeSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import type { BareJob, CompressJob, FingerprintJob, RestoreJob } from './job.ts';

/** What the product is measured against: the plainest loop that does the same work, a thread a core. */
const READ_BYTES = 1024 * 1024;

parentPort!.on('message', (job: BareJob) => {
  if (job.kind === 'fingerprint') fingerprint(job);
  else if (job.kind === 'compress') compress(job);
  else restore(job);
  parentPort!.postMessage('done');
});

function fingerprint({ next, fd, fileBytes, chunkBytes }: FingerprintJob): void {
  const buffer = Buffer.allocUnsafeSlow(READ_BYTES);
  for (const block of blocks(next, Math.ceil(fileBytes / READ_BYTES))) {
    const count = readSync(fd, buffer, 0, READ_BYTES, block * READ_BYTES);
    hashChunks(buffer.subarray(0, count), chunkBytes);
  }
}

function compress({ next, fd, fileBytes, chunkBytes, frameBytes, level, windowLog }: CompressJob): void {
  const buffer = Buffer.allocUnsafeSlow(frameBytes);
  const params = { [constants.ZSTD_c_compressionLevel]: level, [constants.ZSTD_c_windowLog]: windowLog };
  for (const block of blocks(next, Math.ceil(fileBytes / frameBytes))) {
    const count = readSync(fd, buffer, 0, frameBytes, block * frameBytes);
    const frame = buffer.subarray(0, count);
    hashChunks(frame, chunkBytes);
    zstdCompressSync(frame, { params, chunkSize: frameBytes });
  }
}

function restore({ next, fd, frames, chunkBytes }: RestoreJob): void {
  for (const block of blocks(next, frames.length)) {
    const { offset, compressed, fingerprints } = frames[block]!;
    const raw = zstdDecompressSync(compressed, { chunkSize: 16 * READ_BYTES });
    hashChunks(raw, chunkBytes, (digest, chunk) => {
      if (digest.compare(fingerprints, chunk * 32, chunk * 32 + 32) !== 0) throw new Error('a chunk is another');
    });
    for (let done = 0; done < raw.length; ) done += writeSync(fd, raw, done, raw.length - done, offset + done);
  }
}

function hashChunks(bytes: Buffer, chunkBytes: number, use?: (digest: Buffer, chunk: number) => void): void {
  for (let at = 0, chunk = 0; at < bytes.length; at += chunkBytes, chunk++) {
    const digest = hash('sha256', bytes.subarray(at, at + chunkBytes), 'buffer');
    use?.(digest, chunk);
  }
}

function* blocks(next: SharedArrayBuffer, count: number): Generator<number> {
  const counter = new Int32Array(next);
  for (let block = Atomics.add(counter, 0, 1); block < count; block = Atomics.add(counter, 0, 1)) yield block;
}
