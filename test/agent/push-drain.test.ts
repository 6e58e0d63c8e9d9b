import { writeFileSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openChain } from '../../agent/disk/chain.ts';
import { ManifestStore } from '../../agent/manifests/store.ts';
import type { ObjectKind } from '../../agent/push/port.ts';
import { pushLayer } from '../../agent/push/push-layer.ts';
import { ChunkPool } from '../../agent/scan/pool.ts';
import { NO_DIGEST } from '../../core/fingerprint.ts';
import { noise } from '../disk/support.ts';
import { MemoryStore, shrinkLimits, sleepClock } from './push-support.ts';
import { KiB, MiB } from './scan-support.ts';
import { coded, eachFolder } from './support.ts';

const folder = eachFolder();
const pool = new ChunkPool({ workers: 2, buffers: 3, bufferBytes: 1 * MiB });
const chunkBytes = 16 * KiB;
const UNIT = 16 * chunkBytes;
beforeAll(() => shrinkLimits(2 * UNIT));
afterAll(() => pool.close());

/** A store that calls when a pack begins to arrive, and takes its time with it. */
class SlowStore extends MemoryStore {
  begun = 0;
  onPack: () => void = () => undefined;

  override async put(kind: ObjectKind, id: string, parts: readonly Uint8Array[]): Promise<'written' | 'present'> {
    if (kind === 'packs') {
      this.begun++;
      this.onPack();
      for (let turn = 0; turn < 50; turn++) await setImmediate();
    }
    return super.put(kind, id, parts);
  }
}

async function pushInto(store: MemoryStore, signals: { drain: AbortSignal; signal: AbortSignal }): Promise<unknown> {
  const path = folder.at('disk.raw');
  const content = noise(40 * UNIT, 9);
  writeFileSync(path, content);
  const chain = await openChain(path, { imageFolder: folder.path() });
  const manifests = new ManifestStore(folder.at('manifests'));
  const base = { name: 'disk.raw', layer: chain.layers[0]!, chunkBytes, totalBytes: content.length, pool, manifests };
  const job = {
    ...base,
    ...signals,
    sink: store,
    clock: sleepClock(),
    treatment: 'direct',
    parent: NO_DIGEST,
  } as const;
  try {
    return await pushLayer(job);
  } finally {
    await chain.close();
  }
}

describe('a push that drains', () => {
  it('finishes the packs on their way, commits them, and leaves the rest', async () => {
    const store = new SlowStore('migration');
    const [drain, cut] = [new AbortController(), new AbortController()];
    store.onPack = () => drain.abort(coded('AGENT_STOPPED'));
    const pushed = pushInto(store, { drain: drain.signal, signal: cut.signal });
    await expect(pushed).rejects.toMatchObject({ code: 'AGENT_STOPPED' });
    const packs = [...store.objects.keys()].filter((key) => key.startsWith('packs/'));
    expect(packs.length).toBe(store.begun);
    expect(packs.length).toBeGreaterThan(0);
    expect(packs.length).toBeLessThan(10);
    expect(store.rounds.length).toBeGreaterThan(0);
    expect(store.rounds.every(({ layerId }) => layerId === undefined)).toBe(true);
  });

  it('waits for nothing any more once it is cut', async () => {
    const store = new SlowStore('migration');
    const [drain, cut] = [new AbortController(), new AbortController()];
    store.put = () => {
      drain.abort(coded('AGENT_STOPPED'));
      void setImmediate().then(() => cut.abort(coded('CUT')));
      return new Promise(() => undefined);
    };
    await expect(pushInto(store, { drain: drain.signal, signal: cut.signal })).rejects.toBeDefined();
    expect(store.rounds).toEqual([]);
  });
});
