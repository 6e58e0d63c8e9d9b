import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type DeriveJob, derive } from '../../agent/derive/derive.ts';
import { ChunkPool } from '../../agent/scan/pool.ts';
import { isZero } from '../../core/fingerprint.ts';
import { describeWithQemu, qemuImg, whileRunning } from '../disk/qemu.ts';
import { extentsOf, KiB, MiB, noise, tempFolder, withChain } from '../disk/support.ts';
import { makePair, ROWS } from './disks.ts';

const { path } = tempFolder();
const pool = new ChunkPool();
afterAll(() => pool.close());
let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(path(), 'row-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** qemu-io's, once it has opened the image. */
const PROMPT = /qemu-io> /;

function job(flat: string, base: string, more: Partial<DeriveJob> = {}): DeriveJob {
  const { signal } = new AbortController();
  const inFolder = (file: string) => ({ path: file, folder });
  return {
    flat: inFolder(flat),
    base: inFolder(base),
    pool,
    out: join(folder, 'out.qcow2'),
    clusterBytes: 64 * KiB,
    signal,
    ...more,
  };
}

/** What each cluster of a difference layer must be, from the contents alone. */
function expectedStates(was: Buffer, is: Buffer, clusterBytes: number): string[] {
  return Array.from({ length: Math.ceil(is.length / clusterBytes) }, (_, i) => {
    const [from, to] = [i * clusterBytes, Math.min(is.length, (i + 1) * clusterBytes)];
    const below = Buffer.alloc(to - from);
    was.subarray(from, to).copy(below);
    const here = is.subarray(from, to);
    if (below.equals(here)) return 'absent';
    return isZero(here) ? 'zero' : 'data';
  });
}

async function statesOf(image: string, clusterBytes: number): Promise<string[]> {
  return withChain(image, folder, async ({ layers }) => {
    const states: string[] = [];
    for (const { offset, length, state } of await extentsOf(layers.at(-1)!))
      states.push(
        ...Array(Math.ceil((offset + length) / clusterBytes) - Math.floor(offset / clusterBytes)).fill(state),
      );
    return states;
  });
}

describeWithQemu('a layer that is derived', () => {
  it.each(ROWS)(
    'from $flat onto $base, clusters of $cluster, $size size: holds what differs and nothing else',
    async (row) => {
      const { was, is, flat, base } = await makePair(folder, row);
      const made = await derive(job(flat, base, { clusterBytes: row.cluster }));
      await qemuImg('check', '-q', made.path);
      await qemuImg('compare', '-q', flat, made.path);
      const states = expectedStates(was, is, row.cluster);
      expect(await statesOf(made.path, row.cluster)).toEqual(states);
      const info = JSON.parse(await qemuImg('info', '--output=json', made.path));
      expect(info).toMatchObject({
        'backing-filename': basename(base),
        'backing-filename-format': base.split('.').at(-1),
      });
      expect(readdirSync(folder).filter((name) => name.includes('partial'))).toEqual([]);
      if (row.flat === 'over the base' && row.cluster < MiB) expect(made.readBytes).toBeLessThan(is.length / 2);
    },
  );

  it('and one more on it: three layers, with what the disks hold', async () => {
    const os = join(folder, 'os.raw');
    const content = noise(3 * MiB, 1);
    writeFileSync(os, content);
    noise(200 * KiB, 2).copy(content, MiB);
    writeFileSync(join(folder, 'we-flat.raw'), content);
    await derive(job(join(folder, 'we-flat.raw'), os, { out: join(folder, 'we.qcow2') }));
    noise(100 * KiB, 3).copy(content, 2 * MiB);
    writeFileSync(join(folder, 'ud-flat.raw'), content);
    const made = await derive(job(join(folder, 'ud-flat.raw'), join(folder, 'we.qcow2')));
    expect(made).toMatchObject({ depth: 3, backing: 'we.qcow2', dataBytes: 128 * KiB, zeroBytes: 0 });
    await qemuImg('compare', '-q', join(folder, 'ud-flat.raw'), made.path);
  });

  it('from a disk that reads the file of its base at other places', async () => {
    const [base, flat] = [join(folder, 'base.qcow2'), join(folder, 'flat.qcow2')];
    writeFileSync(join(folder, 'content.raw'), noise(MiB, 1));
    await qemuImg('convert', '-O', 'qcow2', join(folder, 'content.raw'), base);
    await qemuImg('create', '-q', '-f', 'qcow2', '-F', 'raw', '-b', base, flat);
    const made = await derive(job(flat, base));
    await qemuImg('compare', '-q', flat, made.path);
  });

  it('from a disk that a QEMU writes is refused', async () => {
    const [flat, base] = [join(folder, 'flat.qcow2'), join(folder, 'base.raw')];
    writeFileSync(base, noise(MiB, 1));
    await qemuImg('create', '-q', '-f', 'qcow2', flat, '1M');
    await whileRunning('qemu-io', [flat], PROMPT, async () => {
      await expect(derive(job(flat, base))).rejects.toMatchObject({ code: 'IMAGE_HELD' });
    });
    await whileRunning('qemu-io', ['-f', 'raw', base], PROMPT, async () => {
      await expect(derive(job(flat, base))).rejects.toMatchObject({ code: 'BACKING_WRITTEN' });
    });
    await derive(job(flat, base));
  });
});

describe('deriving', () => {
  function pair(bytes = 9 * MiB) {
    const [flat, base] = [join(folder, 'flat.raw'), join(folder, 'base.raw')];
    writeFileSync(base, noise(bytes, 1));
    writeFileSync(flat, noise(bytes, 2));
    return [flat, base] as const;
  }

  it('reads nothing of two disks that have no data', async () => {
    const { createQcow2 } = await import('../../agent/disk/writer.ts');
    for (const name of ['flat.qcow2', 'base.qcow2']) {
      const options = { virtualBytes: 2 ** 40, clusterBytes: 64 * KiB, version: 3 } as const;
      await (await createQcow2(join(folder, name), options)).finish();
    }
    const made = await derive(job(join(folder, 'flat.qcow2'), join(folder, 'base.qcow2')));
    expect(made).toMatchObject({ readBytes: 0, dataBytes: 0, zeroBytes: 0, virtualBytes: 2 ** 40 });
  });

  it('that is stopped leaves nothing', async () => {
    const [flat, base] = pair();
    for (const phase of ['writing', 'proving']) {
      const stop = new AbortController();
      const progress = (now: string) => now === phase && stop.abort(new Error('asked to stop'));
      await expect(derive(job(flat, base, { signal: stop.signal, progress }))).rejects.toThrow('asked to stop');
      expect(readdirSync(folder).sort(), phase).toEqual(['base.raw', 'flat.raw']);
    }
  });

  it('overwrites nothing, not even what came meanwhile', async () => {
    const [flat, base] = pair(MiB);
    const out = join(folder, 'out.qcow2');
    writeFileSync(out, 'mine');
    await expect(derive(job(flat, base))).rejects.toMatchObject({ code: 'DISK_EXISTS' });
    rmSync(out);
    const progress = (phase: string) => phase === 'proving' && writeFileSync(out, 'mine');
    await expect(derive(job(flat, base, { progress }))).rejects.toMatchObject({ code: 'DISK_EXISTS' });
    expect(readFileSync(out, 'utf8')).toBe('mine');
    expect(existsSync(`${out}.partial`)).toBe(false);
  });

  it('of a disk that changes meanwhile is refused', async () => {
    const [flat, base] = pair(MiB);
    const progress = (phase: string) => phase === 'proving' && writeFileSync(base, noise(MiB, 1));
    await expect(derive(job(flat, base, { progress }))).rejects.toMatchObject({ code: 'LAYER_CHANGED' });
    expect(readdirSync(folder).sort()).toEqual(['base.raw', 'flat.raw']);
  });

  it('whose outcome is not the disk is found out', async () => {
    const [flat, base] = pair(MiB);
    writeFileSync(flat, readFileSync(base));
    const progress = (phase: string) => phase === 'writing' && writeFileSync(base, noise(MiB, 7));
    await expect(derive(job(flat, base, { progress }))).rejects.toMatchObject({ code: 'DERIVE_DIFFERS' });
    expect(readdirSync(folder).sort()).toEqual(['base.raw', 'flat.raw']);
  });

  it('a disk onto itself is refused', async () => {
    const [flat] = pair(MiB);
    await expect(derive(job(flat, flat))).rejects.toMatchObject({ code: 'DERIVE_SAME' });
  });
});
