import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemFiles } from '../adapters/system/files.ts';
import { Catalog, type KnownLayer } from '../agent/catalog/catalog.ts';
import { identityOf } from '../agent/catalog/identity.ts';
import { sha256, toHex } from '../core/fingerprint.ts';
import { limits } from '../core/limits.ts';
import type { Finding, Settings } from './finding.ts';

const LAYERS = 10_000;
const CHAIN = 3;

/** An agent that knows ten thousand layers: how long its catalog takes to open, and to look at before a poll. */
export async function benchCatalog({ folder, note }: Settings): Promise<Finding[]> {
  note(`catalog: ${LAYERS} layers`);
  await fill(folder, join(folder, 'layers'));
  const openMs = performance.now();
  const catalog = await Catalog.open(join(folder, 'layers'));
  const openedMs = performance.now();
  const { held: bases } = await catalog.bases();
  const lookedMs = performance.now();
  if (bases.length !== LAYERS) throw new Error(`the catalog has ${bases.length} layers`);
  const figures = { openMs: openedMs - openMs, lookMs: lookedMs - openedMs };
  return [
    {
      bench: 'catalog',
      what: `agent that knows ${LAYERS} layers: a look at all of them`,
      goal: `≤ ${limits.poll_idle_ms} ms, the pause between polls`,
      found: `${Math.round(figures.lookMs)} ms (opened once at the start in ${Math.round(figures.openMs)} ms)`,
      isMet: figures.lookMs <= limits.poll_idle_ms,
      figures,
    },
  ];
}

/** Chains of small files, all of them known. */
async function fill(folder: string, records: string): Promise<void> {
  const catalog = await Catalog.open(records);
  let below: KnownLayer | undefined;
  for (let nth = 0; nth < LAYERS; nth++) {
    if (nth % CHAIN === 0) below = undefined;
    const name = `layer-${nth}.raw`;
    const path = join(folder, name);
    writeFileSync(path, '');
    below = {
      layerId: toHex(sha256(Buffer.from(name))),
      path,
      chunkBytes: limits.chunk_bytes_default,
      role: 'base',
      kind: 'os',
      name,
      parent: below?.layerId ?? null,
      below: below?.path ?? null,
      virtualBytes: 0,
      dataBytes: 0,
      container: { format: 'raw', cluster_bytes: 65_536 },
      migration: `m${'0'.repeat(20)}`,
      identity: (await identityOf(systemFiles, path))!,
    };
    await catalog.put(below);
  }
}
