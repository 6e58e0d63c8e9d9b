import { writeFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { createManualClock } from '../../adapters/memory/manual-clock.ts';
import { systemClock } from '../../adapters/system/clock.ts';
import { systemFiles } from '../../adapters/system/files.ts';
import { openChain } from '../../agent/disk/chain.ts';
import { ManifestStore } from '../../agent/manifests/store.ts';
import { Measures } from '../../agent/measure/measures.ts';
import { ChunkPool } from '../../agent/scan/pool.ts';
import { scanLayer } from '../../agent/scan/scan-layer.ts';
import { Look } from '../../agent/tasks/look.ts';
import type { TaskHost, TaskRun } from '../../agent/tasks/task.ts';
import { NO_DIGEST } from '../../core/fingerprint.ts';
import { limits } from '../../core/limits.ts';
import { MiB } from './scan-support.ts';
import { eachFolder, scripted } from './support.ts';

const run = { signal: new AbortController().signal } as TaskRun;

describe('what a running guest writes', () => {
  const writing = (bytesPerMs: number) => {
    const clock = createManualClock();
    const beganMs = clock.nowMs();
    const look = new Look({ clock } as unknown as TaskHost, run, { chunk_bytes: 65_536 });
    const written = async () => 5_000 + bytesPerMs * (clock.nowMs() - beganMs);
    return { clock, look, written };
  };

  it('is seen for a while, however soon the survey is done', async () => {
    const { clock, look, written } = writing(70);
    const done = look.atWrites('web-1', written, async () => 'surveyed');
    let isDone = false;
    void done.then(() => {
      isDone = true;
    });
    await clock.advance(limits.guest_look_ms - 1);
    expect(isDone).toBe(false);
    await clock.advance(1);
    expect(await done).toBe('surveyed');
    expect(look.writes).toEqual([{ vm: 'web-1', bytes_per_second: 70_000 }]);
  });

  it('is not waited for if the survey took as long', async () => {
    const { clock, look, written } = writing(3);
    const done = look.atWrites('web-1', written, () => clock.sleep(limits.guest_look_ms + 500));
    await clock.advance(limits.guest_look_ms + 500);
    await done;
    expect(look.writes).toEqual([{ vm: 'web-1', bytes_per_second: 3_000 }]);
  });
});

describe('how a layer compresses', () => {
  const folder = eachFolder();
  const pool = new ChunkPool({ workers: 1 });
  afterAll(() => pool.close());
  const { signal } = run;

  /** Looks into one base layer of words whose manifest is here, over links one after the other; gives the levels that were tried. */
  async function levelsOver(ups: readonly (number | undefined)[], upMax?: number) {
    const words = Buffer.from('compression '.repeat(Math.ceil((4 * MiB) / 12))).subarray(0, 4 * MiB);
    writeFileSync(folder.at('a.raw'), words);
    const chain = await openChain(folder.at('a.raw'), { imageFolder: folder.path() });
    const manifests = new ManifestStore(folder.at('manifests'));
    const measures = await Measures.open(folder.at('measures'), systemFiles);
    const layer = chain.layers[0]!;
    const { layerId } = await scanLayer({ layer, chunkBytes: 65_536, parent: NO_DIGEST, pool, manifests, signal });
    const places = { source: <T>(_: AbortSignal, work: () => Promise<T>) => work() };
    const host = { clock: systemClock, manifests, measures, places, pool } as unknown as TaskHost;
    const limit = upMax === undefined ? {} : { max_rate_bytes_per_second: upMax };
    const found: number[] = [];
    for (const up of ups) {
      for (const name of ['hash', 'compress'] as const) measures.note(name, 1e9, 1e15);
      if (up !== undefined) measures.note('up', up, 1e15);
      const look = new Look(host, run, { chunk_bytes: 65_536, ...limit });
      await look.into(layerId, layer, { layer_id: layerId, data_bytes: words.length });
      found.push(look.samples()[0]!.level!);
    }
    await chain.close();
    return found;
  }

  it('is tried once, at what its link leaves time for, and not read again', async () => {
    expect(await levelsOver([200, 1e12])).toEqual([limits.pack_level_max, limits.pack_level_max]);
    expect(await levelsOver([1e12])).toEqual([limits.pack_level_default]);
  });

  it('is tried at the lowest over a link that nobody has seen: a push begins fast', async () => {
    expect(await levelsOver([undefined])).toEqual([limits.pack_level_default]);
    expect(await levelsOver([undefined], 200)).toEqual([limits.pack_level_max]);
  });

  it('is tried at what the migration may send', async () => {
    expect(await levelsOver([1e12], 200)).toEqual([limits.pack_level_max]);
  });
});

describe('a call of the API', () => {
  it('is as long as the quickest of some', async () => {
    const clock = createManualClock();
    const took = [90, 20, 50];
    const api = scripted(() => clock.sleep(took.shift()!));
    const noted: [string, number][] = [];
    const measures = { rates: () => ({}), note: (name: string, value: number) => void noted.push([name, value]) };
    const look = new Look({ clock, api, measures } as unknown as TaskHost, run, { chunk_bytes: 65_536 });
    const rates = look.rates(`m${'1'.repeat(20)}`);
    await clock.advance(1000);
    expect(await rates).toEqual({ call: { value: 20, from: 'measured' } });
    expect(noted).toContainEqual(['call', 20]);
  });
});
