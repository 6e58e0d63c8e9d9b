import { writeFileSync } from 'node:fs';
import { afterAll } from 'vitest';
import { systemFiles } from '../../adapters/system/files.ts';
import { openChain } from '../../agent/disk/chain.ts';
import { Journals } from '../../agent/journal/journals.ts';
import { ManifestStore } from '../../agent/manifests/store.ts';
import { pullLayer } from '../../agent/pull/pull-layer.ts';
import type { ObjectKind, PushRound } from '../../agent/push/port.ts';
import { pushLayer } from '../../agent/push/push-layer.ts';
import { ChunkPool } from '../../agent/scan/pool.ts';
import { scanLayer } from '../../agent/scan/scan-layer.ts';
import { geometryOf } from '../../core/chunk.ts';
import { NO_DIGEST, toHex } from '../../core/fingerprint.ts';
import { decodePlacement, type PackScope } from '../../core/format/placement.ts';
import { DATA, decodeSegment } from '../../core/format/segment.ts';
import { limits } from '../../core/limits.ts';
import { expectSame, noise } from '../disk/support.ts';
import { each, MemoryDisk, MemoryStore, shrinkLimits, sleepClock } from './push-support.ts';
import { KiB, MiB } from './scan-support.ts';
import { eachFolder, keptLog } from './support.ts';

export const chunkBytes = 4 * KiB;
/** A pack’s raw bytes: 64 chunks of noise, which no compression makes smaller. A segment has two packs’ chunks. */
export const PACK = 64 * chunkBytes;
export const PACKS = 12;
export const CONTENT = noise(PACKS * PACK, 31);
shrinkLimits(PACK / 2);
Object.assign(limits, { packs_settling_max: 2 });
/** Packs that may be stored, or on their way, and not yet noted. */
export const IN_FLIGHT = 2;

/** One store in several attempts, each with rounds of its own; dies for ever after so many packs. */
export class AttemptStore extends MemoryStore {
  putBytes = 0;
  readonly #packsMax: number;
  #packs = 0;

  constructor(scope: PackScope, before?: MemoryStore, packsMax = Number.POSITIVE_INFINITY) {
    super(scope);
    this.#packsMax = packsMax;
    for (const [key, bytes] of before?.objects ?? []) this.objects.set(key, bytes);
    for (const [fingerprint, row] of before?.index ?? []) this.index.set(fingerprint, row);
  }

  override async put(kind: ObjectKind, id: string, parts: readonly Uint8Array[]) {
    if (kind === 'packs') {
      if (++this.#packs > this.#packsMax) throw new Error('killed');
      this.putBytes += parts.reduce((sum, part) => sum + part.length, 0);
    }
    return super.put(kind, id, parts);
  }

  /** Fingerprints of the chunks that committed versions place. */
  committed(): Set<string> {
    const found = new Set<string>();
    for (const { id } of this.rounds.flatMap((round: PushRound) => round.segments)) {
      const segment = decodeSegment(this.objects.get(`segments/${id}`)!);
      segment.states.forEach((state, chunk) => {
        if (state === DATA) found.add(toHex(segment.fingerprint(chunk)));
      });
    }
    return found;
  }
}

/** A raw disk in a folder of each test’s own, and attempts at pushing it. */
export function resumable() {
  const folder = eachFolder();
  const pool = new ChunkPool({ workers: 2, buffers: 3, bufferBytes: 1 * MiB });
  const log = keptLog();
  const clock = sleepClock();
  afterAll(() => pool.close());
  const signal = new AbortController().signal;
  const geometry = geometryOf(CONTENT.length, chunkBytes);
  const of = { scope: 'ns/default', migration: `m${'1'.repeat(20)}`, stream: 'ud:web-1', geometry };
  const journals = () => new Journals(folder.at('journal'), { files: systemFiles, clock, log });

  async function push(store: AttemptStore, { content = CONTENT, treatment = 'direct' as 'direct' | 'dedup' } = {}) {
    const path = folder.at('disk.raw');
    writeFileSync(path, content);
    const chain = await openChain(path, { imageFolder: folder.path() });
    const manifests = new ManifestStore(folder.at('manifests'));
    const layer = chain.layers[0]!;
    const journal = await journals().open(of);
    try {
      const base = { name: 'disk.raw', layer, chunkBytes, totalBytes: content.length, pool, manifests, clock, signal };
      const job = { ...base, sink: store, before: { journal, source: store } };
      if (treatment === 'direct') return await pushLayer({ ...job, treatment, parent: NO_DIGEST });
      const scan = { layer, chunkBytes, parent: NO_DIGEST, pool, manifests, signal };
      return await pushLayer({ ...job, treatment, layerId: (await scanLayer(scan)).layerId });
    } finally {
      await journal.close();
      await chain.close();
    }
  }

  /** Pulls by the rounds of these attempts, in order, out of the last one’s store. */
  async function expectArrives(attempts: readonly AttemptStore[], content = CONTENT): Promise<void> {
    const writer = new MemoryDisk(content.length);
    const rounds = each(attempts.flatMap((attempt) => attempt.rounds));
    const base = { name: 'disk.raw', geometry, parent: NO_DIGEST, writer, signal, totalBytes: 0 };
    await pullLayer({ ...base, rounds, source: attempts.at(-1)! });
    expectSame(writer.bytes, content);
  }

  return { push, expectArrives, journals, of, log, clock, at: folder.at, journalPath: () => folder.at('journal') };
}

/** Ids of the packs that a version’s placement names. */
export function packsOf(store: MemoryStore, segment: string): string[] {
  return decodePlacement(store.objects.get(`placements/${segment}`)!).frames.map((frame) => toHex(frame.pack));
}
