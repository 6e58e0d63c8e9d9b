import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../adapters/system/clock.ts';
import { ManifestStore } from '../agent/manifests/store.ts';
import type { PushSink } from '../agent/push/port.ts';
import { pushLayer } from '../agent/push/push-layer.ts';
import { ChunkPool } from '../agent/scan/pool.ts';
import { NO_DIGEST } from '../core/fingerprint.ts';
import { limits } from '../core/limits.ts';
import { BareTeam } from './bare/team.ts';
import { StoreSink, startObjects } from './cloud-objects.ts';
import { contents, makeRaw, withLayer } from './disks.ts';
import { type Finding, type Settings, speedFinding } from './finding.ts';
import { NullSink } from './objects.ts';
import { compare } from './pairs.ts';

const GOAL = 0.8;
const NO_GOAL = 'none: the store works on the same cores';

/** Read, fingerprint, pack and compress, against a bare loop that reads, hashes and compresses frame by frame. */
export async function benchPush({ folder, bytes, pairs, threads, note }: Settings): Promise<Finding[]> {
  const pool = new ChunkPool({ workers: threads });
  const team = new BareTeam(threads);
  const manifests = new ManifestStore(join(folder, 'push-manifests'));
  const cloud = await startObjects(folder);
  let pushes = 0;
  const sinks: Readonly<Record<string, () => PushSink>> = {
    nothing: () => new NullSink(),
    // Objects are stored once: each push goes below a prefix of its own.
    'the embedded cloud': () => new StoreSink(cloud.store, `ns/bench/migrations/${pushes++}`),
  };
  const findings: Finding[] = [];
  try {
    for (const [name, content] of Object.entries(contents)) {
      const path = makeRaw(folder, `push-${name}`, content(), bytes);
      const fd = openSync(path, 'r');
      const bare = () => team.run({ kind: 'compress', fd, fileBytes: bytes, ...compression });
      for (const [where, sink] of Object.entries(sinks)) {
        note(`push: ${name} into ${where}`);
        const product = async () => void (await push(path, { pool, manifests, sink: sink() }));
        const ratio = await compare({ product, bare }, pairs);
        const finding = speedFinding('push', `into ${where}, ${name}`, GOAL, ratio, bytes);
        findings.push(where === 'nothing' ? finding : withoutGoal(finding));
      }
      closeSync(fd);
    }
    return findings;
  } finally {
    await pool.close();
    await team.close();
    await cloud.stop();
  }
}

function withoutGoal(finding: Finding): Finding {
  const { share: _, ...figures } = finding.figures;
  return { ...finding, goal: NO_GOAL, isMet: true, figures };
}

export const compression = {
  chunkBytes: limits.chunk_bytes_default,
  frameBytes: limits.frame_raw_bytes_max,
  level: limits.pack_level_default,
  windowLog: limits.frame_window_log,
};

/** Pushes a disk as user data goes, in one pass, every chunk, and forgets its manifest. Gives the layer's id. */
export async function push(
  path: string,
  { pool, manifests, sink }: { pool: ChunkPool; manifests: ManifestStore; sink: PushSink },
): Promise<string> {
  return withLayer(path, async (layer) => {
    const { layerId } = await pushLayer({
      treatment: 'direct',
      name: 'bench',
      layer,
      chunkBytes: limits.chunk_bytes_default,
      parent: NO_DIGEST,
      totalBytes: layer.virtualBytes,
      pool,
      manifests,
      sink,
      clock: systemClock,
      signal: new AbortController().signal,
    });
    await manifests.remove(layerId);
    return layerId;
  });
}
