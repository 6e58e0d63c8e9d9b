import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { systemClock } from '../../../adapters/system/clock.ts';
import { openChain } from '../../../agent/disk/chain.ts';
import type { Chain } from '../../../agent/disk/layer.ts';
import { createQcow2 } from '../../../agent/disk/writer.ts';
import { ManifestStore } from '../../../agent/manifests/store.ts';
import { Pace } from '../../../agent/pack/pace.ts';
import { pullLayer } from '../../../agent/pull/pull-layer.ts';
import type { DedupJob } from '../../../agent/push/job.ts';
import { Outbox } from '../../../agent/push/outbox.ts';
import { pushLayer } from '../../../agent/push/push-layer.ts';
import { ChunkPool } from '../../../agent/scan/pool.ts';
import { scanLayer } from '../../../agent/scan/scan-layer.ts';
import { geometryOf } from '../../../core/chunk.ts';
import { fromHex, NO_DIGEST } from '../../../core/fingerprint.ts';
import { limits } from '../../../core/limits.ts';
import type { Ingested, IngestJob, ProductJob, RestoreJob, StoredLayer } from './job.ts';
import { LocalStore } from './store.ts';

// The product's own scan, push and pull over a local store.

const CHUNK_BYTES = limits.chunk_bytes_default;
const { signal } = new AbortController();

const job = JSON.parse(process.argv[2]!) as ProductJob;
const known = join(job.store, 'layers.json');
/** What it knows of its link: an agent lives on from one push to the next. */
const paceFile = join(job.store, 'pace.json');
const layers = new Map<string, StoredLayer>(existsSync(known) ? JSON.parse(readFileSync(known, 'utf8')) : []);
if (job.kind === 'ingest') process.stdout.write(JSON.stringify(await ingest(job)));
else await restore(job);

/** Takes the layers in that the store has not. As with an agent, one begins when the one before is packed. */
async function ingest({ chains, store: folder, sampling, bytesPerSecond, ...job }: IngestJob): Promise<Ingested> {
  const store = await LocalStore.open({ folder, sampling, bytesPerSecond });
  const manifests = new ManifestStore(join(folder, 'own', 'manifests'));
  const pool = new ChunkPool();
  const pace = rememberedPace();
  const outbox = new Outbox();
  const shared = { pool, manifests, clock: systemClock, pace, outbox, underway: outbox.underway('store'), signal };
  const total = { wireBytes: 0, dedupedBytes: 0 };
  const pushes: Promise<void>[] = [];
  for (const chain of chains) {
    let parent: Uint8Array = NO_DIGEST;
    for (const path of chain) {
      if (!layers.has(path)) {
        const opened = await openChain(path, { imageFolder: job.layers });
        const sink = store.sink();
        const { pushed, packed } = await begin({ ...shared, sink, chain: opened, path, parent });
        const over = pushed.then(async ({ layerId, counts }) => {
          total.wireBytes += counts.wireBytes;
          total.dedupedBytes += counts.dedupedBytes;
          layers.set(path, { layerId, virtualBytes: opened.layers.at(-1)!.virtualBytes });
          await opened.close();
        });
        pushes.push(over);
        await Promise.race([packed, over]);
      }
      const stored = layers.get(path);
      if (stored !== undefined) parent = fromHex(stored.layerId);
    }
  }
  await Promise.all(pushes);
  await pool.close();
  await store.save();
  writeFileSync(known, JSON.stringify([...layers]));
  const remembered: Remembered = { level: pace.level, bytesPerSecond: pace.linkBytesPerMs * 1000 };
  writeFileSync(paceFile, JSON.stringify(remembered));
  return total;
}

interface Begin
  extends Pick<DedupJob, 'pool' | 'manifests' | 'clock' | 'pace' | 'outbox' | 'underway' | 'sink' | 'signal'> {
  readonly chain: Chain;
  readonly path: string;
  readonly parent: Uint8Array;
}

/** Base layers are fingerprinted, and known by that, then deduplicated; the top of a chain of three is a VM's own and goes direct. */
async function begin({ chain, path, parent, ...shared }: Begin) {
  const layer = chain.layers.at(-1)!;
  const how = { ...shared, name: basename(path), layer, chunkBytes: CHUNK_BYTES };
  const { promise: packed, resolve } = Promise.withResolvers<void>();
  const push = { ...how, totalBytes: 0, packed: resolve };
  if (chain.layers.length === 3) return { packed, pushed: pushLayer({ ...push, treatment: 'direct', parent }) };
  const { layerId } = await scanLayer({ ...how, parent });
  layers.set(path, { layerId, virtualBytes: layer.virtualBytes });
  return { packed, pushed: pushLayer({ ...push, treatment: 'dedup', layerId }) };
}

interface Remembered {
  readonly level: number;
  readonly bytesPerSecond: number;
}

function rememberedPace(): Pace {
  const pace = new Pace(systemClock);
  if (!existsSync(paceFile)) return pace;
  const { level, bytesPerSecond } = JSON.parse(readFileSync(paceFile, 'utf8')) as Remembered;
  pace.level = level;
  pace.remember(bytesPerSecond);
  return pace;
}

async function restore({ store: folder, chain, into }: RestoreJob): Promise<void> {
  const store = await LocalStore.open({ folder });
  mkdirSync(into, { recursive: true });
  let parent: Uint8Array = NO_DIGEST;
  let below: string | undefined;
  for (const path of chain) {
    const { layerId, virtualBytes } = layers.get(path)!;
    const name = basename(path);
    const under = below === undefined ? undefined : await openChain(below, { imageFolder: into });
    const backing = under && {
      backing: { name: basename(below!), format: 'qcow2', chain: under.layers.at(-1)! } as const,
    };
    const options = { virtualBytes, clusterBytes: CHUNK_BYTES, version: 3, ...backing } as const;
    const writer = await createQcow2(join(into, name), options);
    const geometry = geometryOf(virtualBytes, CHUNK_BYTES);
    const rounds = { layerId };
    await pullLayer({ name, geometry, parent, rounds, source: store.source(), writer, signal, totalBytes: 0 });
    await writer.finish();
    await under?.close();
    parent = fromHex(layerId);
    below = join(into, name);
  }
}
