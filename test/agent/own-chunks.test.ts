import { readdirSync, renameSync, writeFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { systemFiles } from '../../adapters/system/files.ts';
import type { KnownLayer } from '../../agent/catalog/catalog.ts';
import { openChain } from '../../agent/disk/chain.ts';
import { soughtOf } from '../../agent/manifests/sorted.ts';
import { ManifestStore } from '../../agent/manifests/store.ts';
import { OwnChunks, type Write } from '../../agent/pull/own-chunks.ts';
import type { WantedChunk } from '../../agent/pull/plan.ts';
import { ChunkPool } from '../../agent/scan/pool.ts';
import { scanLayer } from '../../agent/scan/scan-layer.ts';
import { withOwnChunks } from '../../agent/tasks/own-chunks.ts';
import type { TaskHost } from '../../agent/tasks/task.ts';
import { geometryOf } from '../../core/chunk.ts';
import type { Files } from '../../core/files.ts';
import { NO_DIGEST, sha256, toHex } from '../../core/fingerprint.ts';
import { DATA, Segment } from '../../core/format/segment.ts';
import { limits } from '../../core/limits.ts';
import { expectEqual, twoHosts } from './hosts.ts';
import { migrate } from './play.ts';
import { eachFolder, keptLog, type LayerSpec, writeChain, writeLayer } from './support.ts';

const KiB = 1024;
const MiB = 1024 * KiB;
const CHUNK = 64 * KiB;
const pool = new ChunkPool({ workers: 1, bufferBytes: 256 * KiB });
afterAll(() => pool.close());
const signal = new AbortController().signal;

describe('a destination', () => {
  const hosts = twoHosts();
  const os: LayerSpec = { name: 'os.qcow2', patches: [{ at: 0, length: 256 * KiB, seed: 4 }] };
  const ud = (name: string, seed: number): LayerSpec => ({ name, patches: [{ at: 3 * MiB, length: 128 * KiB, seed }] });
  const web: LayerSpec = { name: 'web.qcow2', patches: [{ at: MiB, length: MiB, seed: 1 }] };
  const lamp: LayerSpec = {
    name: 'lamp.qcow2',
    patches: [
      { at: 2 * MiB, length: 512 * KiB, seed: 5 },
      { at: 512 * KiB, length: MiB, seed: 1 },
    ],
  };
  const move = async (vm: string) =>
    (await (await migrate(hosts.cloud(), { vms: [vm], to: 'b/h1' })).ended).vms[0]!.layers;

  it('takes from layers of its own what they hold, wherever it lies in them, and fetches the rest', async () => {
    const [below, base] = await writeChain(hosts.at('a'), [os, web]);
    await writeLayer(hosts.at('a'), ud('web-1.qcow2', 6), base);
    const other = await writeLayer(hosts.at('a'), lamp, below);
    await writeLayer(hosts.at('a'), ud('lamp-1.qcow2', 7), other);
    await hosts.start('a');
    await hosts.start('b');
    for (const layer of await move('web-1')) expect(layer.local_bytes).toBe(0);
    const [, we, top] = await move('lamp-1');
    expect(we).toMatchObject({ treatment: 'dedup', local_bytes: MiB, done_bytes: MiB + 512 * KiB });
    expect(we!.pulled_bytes).toBeLessThan(600 * KiB);
    expect(top!.local_bytes).toBe(0);
    await expectEqual(hosts.at('a', 'lamp-1.qcow2'), hosts.at('b', 'lamp-1.qcow2'));
  });
});

describe('chunks of own layers', () => {
  const folder = eachFolder();

  async function scanned(name: string, seed: number) {
    const [path] = await writeChain(folder.path(), [{ name, patches: [{ at: MiB, length: MiB, seed }] }]);
    const chain = await openChain(path!, { imageFolder: folder.path() });
    const manifests = new ManifestStore(folder.at('manifests'));
    const layer = chain.layers[0]!;
    const { layerId } = await scanLayer({ layer, chunkBytes: CHUNK, parent: NO_DIGEST, pool, manifests, signal });
    const segment = await manifests.segment(layerId, 0);
    const wanted: WantedChunk[] = [];
    segment.states.forEach((state, chunk) => {
      const fingerprint = Buffer.from(segment.fingerprint(chunk));
      if (state === DATA) wanted.push({ chunk: 99 - chunk, rawOffset: 0, length: CHUNK, fingerprint });
    });
    return { chain, layer, layerId, manifests, wanted };
  }

  type Scanned = Awaited<ReturnType<typeof scanned>>;
  const failures: string[] = [];
  const ownOf = ({ layerId, manifests, layer }: Scanned, open: () => Promise<Scanned['layer']>) =>
    new OwnChunks({
      layers: [{ layerId, virtualBytes: layer.virtualBytes, open }],
      chunkBytes: CHUNK,
      manifests,
      pool,
      onFailure: (id) => void failures.push(id),
    });

  async function copyFrom(own: OwnChunks, frames: readonly WantedChunk[][], write: Write) {
    const found = await own.find(frames.map((chunks) => ({ chunks })));
    return found.copy(write, signal);
  }

  it('are given if they are what they are said to be', async () => {
    const one = await scanned('one.qcow2', 1);
    const unknown = { chunk: 7, rawOffset: 0, length: CHUNK, fingerprint: sha256(Buffer.from('unknown')) };
    const given: number[] = [];
    const write = async ({ chunk, fingerprint }: WantedChunk, bytes: Uint8Array) => {
      expect(sha256(bytes).equals(fingerprint)).toBe(true);
      given.push(chunk);
    };
    const own = ownOf(one, async () => one.layer);
    const copied = await copyFrom(own, [[unknown, one.wanted[0]!], one.wanted.slice(1)], write);
    // A frame with anything that is nowhere here is fetched as a whole.
    expect([...copied].map(({ chunk }) => chunk).sort()).toEqual(
      one.wanted
        .slice(1)
        .map(({ chunk }) => chunk)
        .sort(),
    );
    expect(given).toHaveLength(MiB / CHUNK - 1);
    await one.chain.close();
  });

  it('are not given if the file has changed, and no failure of it is anybody’s', async () => {
    const one = await scanned('one.qcow2', 1);
    const two = await scanned('two.qcow2', 2);
    const write = async () => expect.unreachable('a chunk that is another’s');
    expect(
      (
        await copyFrom(
          ownOf(one, async () => two.layer),
          [one.wanted],
          write,
        )
      ).size,
    ).toBe(0);
    const gone = ownOf(one, () => Promise.reject(new Error('gone')));
    for (let again = 0; again < 2; again++) expect((await copyFrom(gone, [one.wanted], write)).size).toBe(0);
    expect(failures).toEqual([one.layerId]);
    await Promise.all([one, two].map(({ chain }) => chain.close()));
  });

  it('come from a layer that is being read back, under whichever of its names, before all others', async () => {
    const one = await scanned('one.qcow2', 1);
    const { layerId, layer, manifests, wanted } = one;
    const [partial, path] = [`${layer.path}.partial`, layer.path] as const;
    const container = { format: 'qcow2', cluster_bytes: CHUNK, version: 3 } as const;
    const before = { layerId, virtualBytes: layer.virtualBytes, container, path, partial };
    const images = { path: folder.path(), files: systemFiles } as TaskHost['images'];
    // Nobody comes to ask this one.
    const other = {
      ...before,
      layerId: '1'.repeat(64),
      path: folder.at('lost.qcow2'),
      chunkBytes: CHUNK,
    } as object as KnownLayer;
    const catalog = { files: async () => [other] } as object as TaskHost['catalog'];
    const host = { catalog, images, manifests, pool, log: keptLog() };
    const copied = () =>
      withOwnChunks(host, { chunkBytes: CHUNK, before }, (own) => copyFrom(own!, [wanted], async () => undefined));
    expect((await copied()).size).toBe(wanted.length);
    renameSync(path, partial);
    expect((await copied()).size).toBe(wanted.length);
    expect(host.log.lines).toEqual([]);
    // One that can't be read says so, not that it is gone.
    writeFileSync(partial, 'QFI\xfb', 'latin1');
    expect((await copied()).size).toBe(0);
    expect(host.log.lines).toMatchObject([{ fields: { error: { code: 'QCOW2_INVALID' } } }]);
    await one.chain.close();
  });

  it('are found in any number of segments, in the order of their fingerprints, from a file that is made once', async () => {
    const manifests = new ManifestStore(folder.at('many'));
    const segments = 40;
    const geometry = geometryOf(segments * limits.segment_chunks * 4096, 4096);
    const draft = await manifests.draft(geometry, NO_DIGEST);
    const printOf = (chunk: number) => sha256(Buffer.from(`${chunk % 150_000}`));
    for (let index = 0; index < segments; index++) {
      const segment = new Segment(limits.segment_chunks);
      for (let at = 0; at < segment.chunks; at++) segment.setData(at, printOf(index * limits.segment_chunks + at));
      await draft.putSegment(index, segment);
    }
    const { layerId } = await draft.seal();
    const asked = [0, 1, 4095, 4096, 77_777, 149_999].map(printOf);
    const absent = Array.from({ length: 100 }, (_, at) => sha256(Buffer.from(`none ${at}`)));
    const found = await manifests.find(layerId, soughtOf([...absent, ...asked]));
    expect([...found.keys()].sort((a, b) => a - b)).toEqual(asked.map((_, at) => absent.length + at));
    for (const [at, chunk] of found) expect(toHex(printOf(chunk))).toBe(toHex(asked[at - absent.length]!));
    const path = folder.at('many', layerId, 'sorted-0');
    const before = await systemFiles.stat(path);
    expect(before.bytes).toBe(segments * limits.segment_chunks * 8);
    await manifests.find(layerId, soughtOf(asked));
    expect((await systemFiles.stat(path)).ino).toBe(before.ino);
    expect((await manifests.find('0'.repeat(64), soughtOf(asked))).size).toBe(0);
  });

  it('are found by two that look for them at once, before the file is there, and by one after another failed to make it', async () => {
    const { manifests, layerId, chain, wanted } = await scanned('one.qcow2', 1);
    const sought = soughtOf(wanted.map(({ fingerprint }) => fingerprint));
    await chain.close();
    let isFull = true;
    const full: Files = {
      ...systemFiles,
      rename: (from, to) =>
        isFull && to.includes('sorted') ? Promise.reject(new Error('full')) : systemFiles.rename(from, to),
    };
    const again = new ManifestStore(folder.at('manifests'), full);
    const both = () => Promise.allSettled([again.find(layerId, sought), again.find(layerId, sought)]);
    expect((await both()).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(readdirSync(folder.at('manifests', layerId))).toEqual(['root', 'segments']);
    isFull = false;
    for (const found of await both()) expect(found).toMatchObject({ value: { size: wanted.length } });
    expect((await manifests.find(layerId, sought)).size).toBe(wanted.length);
  });

  it('are looked for in so many layers, those that were read last', () => {
    expect(limits.own_layers_max).toBeGreaterThanOrEqual(16);
  });
});
