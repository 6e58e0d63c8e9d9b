import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { ManifestStore } from '../agent/manifests/store.ts';
import { ChunkPool } from '../agent/scan/pool.ts';
import { scanLayer } from '../agent/scan/scan-layer.ts';
import { NO_DIGEST } from '../core/fingerprint.ts';
import { BareTeam } from './bare/team.ts';
import { contents, makeQcow2, makeRaw, withLayer } from './disks.ts';
import { type Finding, type Settings, speedFinding } from './finding.ts';
import { compare } from './pairs.ts';

const GOAL = 0.8;
const KiB = 1024;

/** Read + fingerprint of resident data, manifest included, against a bare loop over the same bytes. */
export async function benchScan({ folder, bytes, pairs, threads, note }: Settings): Promise<Finding[]> {
  const pool = new ChunkPool({ workers: threads });
  const team = new BareTeam(threads);
  const manifests = new ManifestStore(join(folder, 'scan-manifests'));
  const signal = new AbortController().signal;
  const raw = makeRaw(folder, 'scan', contents.incompressible!(), bytes);
  const fd = openSync(raw, 'r');
  const findings: Finding[] = [];
  try {
    for (const path of [raw, await makeQcow2(raw, bytes)]) {
      for (const chunkBytes of [64 * KiB, 4 * KiB]) {
        const what = `${path.endsWith('raw') ? 'raw' : 'qcow2'}, chunks of ${chunkBytes / KiB} KiB`;
        note(`scan: ${what}`);
        const ratio = await withLayer(path, (layer) => {
          const job = { layer, chunkBytes, parent: NO_DIGEST, pool, manifests, signal };
          return compare(
            {
              product: async () => manifests.remove((await scanLayer(job)).layerId),
              bare: () => team.run({ kind: 'fingerprint', fd, fileBytes: bytes, chunkBytes }),
            },
            pairs,
          );
        });
        findings.push(speedFinding('scan', what, GOAL, ratio, bytes));
      }
    }
    return findings;
  } finally {
    closeSync(fd);
    await pool.close();
    await team.close();
  }
}
