import { closeSync, fsyncSync, openSync, readSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { constants, zstdCompressSync } from 'node:zlib';
import { createQcow2, createRaw, type DiskWriter } from '../agent/disk/writer.ts';
import { ManifestStore } from '../agent/manifests/store.ts';
import { pullLayer } from '../agent/pull/pull-layer.ts';
import { ChunkPool } from '../agent/scan/pool.ts';
import { geometryOf } from '../core/chunk.ts';
import { NO_DIGEST, sha256 } from '../core/fingerprint.ts';
import type { StoredFrame } from './bare/job.ts';
import { BareTeam } from './bare/team.ts';
import { contents, makeRaw } from './disks.ts';
import { type Finding, type Settings, speedFinding } from './finding.ts';
import { MemoryObjects } from './objects.ts';
import { compare } from './pairs.ts';
import { compression, push } from './push.ts';

const GOAL = 0.5;
const { chunkBytes, frameBytes, level, windowLog } = compression;

/** Pull from memory to a synced file, against a bare loop that decompresses, hashes and writes, and syncs at the end. */
export async function benchRestore({ folder, bytes, pairs, threads, note }: Settings): Promise<Finding[]> {
  const team = new BareTeam(threads);
  const findings: Finding[] = [];
  const target = join(folder, 'restored');
  const makers: Readonly<Record<string, () => Promise<DiskWriter>>> = {
    raw: () => createRaw(target, { virtualBytes: bytes }),
    qcow2: () => createQcow2(target, { virtualBytes: bytes, clusterBytes: 65_536, version: 3 }),
  };
  try {
    const path = makeRaw(folder, 'restore', contents['system files']!(), bytes);
    const { objects, layerId } = await stored(path, folder, threads);
    const frames = bareFrames(path, bytes);
    for (const [format, make] of Object.entries(makers)) {
      note(`restore: ${format}`);
      const product = async () => {
        await pull(layerId, objects, await make(), bytes);
        rmSync(target);
      };
      const bare = async () => {
        const fd = openSync(target, 'wx');
        await team.run({ kind: 'restore', fd, frames, chunkBytes });
        fsyncSync(fd);
        closeSync(fd);
        rmSync(target);
      };
      const ratio = await compare({ product, bare }, pairs);
      findings.push(speedFinding('restore', `to ${format}, system files`, GOAL, ratio, bytes));
    }
    return findings;
  } finally {
    await team.close();
  }
}

async function stored(path: string, folder: string, workers: number) {
  const pool = new ChunkPool({ workers });
  const objects = new MemoryObjects();
  const manifests = new ManifestStore(join(folder, 'restore-manifests'));
  const layerId = await push(path, { pool, manifests, sink: objects });
  await pool.close();
  return { objects, layerId };
}

async function pull(layerId: string, source: MemoryObjects, writer: DiskWriter, bytes: number): Promise<void> {
  await pullLayer({
    name: 'bench',
    geometry: geometryOf(bytes, chunkBytes),
    parent: NO_DIGEST,
    rounds: { layerId },
    source,
    writer,
    signal: new AbortController().signal,
    totalBytes: bytes,
  });
  await writer.finish();
}

/** The same disk as the bare loop wants it: frames in shared memory, a fingerprint a chunk. */
function bareFrames(path: string, bytes: number): StoredFrame[] {
  const fd = openSync(path, 'r');
  const params = { [constants.ZSTD_c_compressionLevel]: level, [constants.ZSTD_c_windowLog]: windowLog };
  const raw = Buffer.alloc(frameBytes);
  const frames: StoredFrame[] = [];
  for (let offset = 0; offset < bytes; offset += frameBytes) {
    const frame = raw.subarray(0, readSync(fd, raw, 0, frameBytes, offset));
    const digests: Buffer[] = [];
    for (let at = 0; at < frame.length; at += chunkBytes) digests.push(sha256(frame.subarray(at, at + chunkBytes)));
    const compressed = shared(zstdCompressSync(frame, { params, chunkSize: frameBytes }));
    frames.push({ offset, compressed, fingerprints: shared(Buffer.concat(digests)) });
  }
  closeSync(fd);
  return frames;
}

function shared(bytes: Uint8Array): Uint8Array {
  const copy = new Uint8Array(new SharedArrayBuffer(bytes.length));
  copy.set(bytes);
  return copy;
}
