import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Similarity } from '../../agent/similarity/report.ts';
import { PICTURE_MARK, picture } from '../../bin/similarity/picture.ts';
import { limits } from '../../core/limits.ts';
import { KiB, noise } from '../disk/support.ts';
import { call } from './command.ts';

describe('layer similarity', () => {
  let folder = '';
  const at = (name: string) => join(folder, name);
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'layermover-similarity-verb-'));
    writeFileSync(at('a.raw'), noise(256 * KiB, 1));
    writeFileSync(at('b.raw'), Buffer.concat([noise(64 * KiB, 1), noise(64 * KiB, 2)]));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it('as JSON: a line for each chunk size, and the picture', async () => {
    const svg = at('out.svg');
    const words = [at('a.raw'), at('b.raw'), '--chunk', '4k,64k', '--vms', '3', '--svg', svg];
    const said = await call('layer', 'similarity', ...words, '--json');
    const lines = said.lines().filter((line) => line.message_type !== 'working');
    const space = {
      vms: 6,
      flat_bytes: 3 * 384 * KiB,
      two_layers_bytes: 3 * 384 * KiB,
      three_layers_bytes: 3 * 384 * KiB,
    };
    const of = (kib: number, scale: number) => ({
      message_type: 'similarity',
      chunk_bytes: kib * KiB,
      layers: [
        { name: 'a.raw', chunks: 4 * scale, held_by: [4 * scale, scale], held_elsewhere: scale },
        { name: 'b.raw', chunks: 2 * scale, held_by: [scale, 2 * scale], held_elsewhere: scale },
      ],
      distinct_chunks: 5 * scale,
      space,
    });
    expect(lines).toMatchObject([of(4, 16), of(64, 1), { message_type: 'picture', file: svg }]);
    expect(readFileSync(svg, 'utf8').startsWith(PICTURE_MARK)).toBe(true);
    expect(said.code).toBe(0);
  });

  it('in words: the shares, and what the VMs take', async () => {
    const said = await call('layer', 'similarity', at('a.raw'), at('b.raw'));
    expect(said.stdout).toContain('chunks of 64 KiB');
    expect(said.stdout).toMatch(/1 │ a\.raw │ +262 kB │ +│ 25 % │ +25 %/);
    expect(said.stdout).toMatch(/2 │ b\.raw │ +131 kB │ 50 % │ +│ +50 %/);
    expect(said.stdout).toContain('2 VMs: 393 kB flat, 393 kB (100 %) in two layers');
  });

  it.each([
    ['more VMs than similarity_vms_max', ['--vms', String(limits.similarity_vms_max + 1)], 'USAGE'],
    ['a chunk size that is none', ['--chunk', '64k,5k'], 'USAGE'],
    ['a picture in place of something else', ['--svg', 'a.raw'], 'REPORT_FILE_TAKEN'],
  ])('%s: exit code 2', async (_, words, code) => {
    const told = words.map((word) => (word === 'a.raw' ? at(word) : word));
    const said = await call('layer', 'similarity', at('b.raw'), ...told, '--json');
    expect(said.lines()).toMatchObject([{ message_type: 'error', error: { code } }]);
    expect(said.code).toBe(2);
  });
});

describe('the picture', () => {
  const report: Similarity = {
    chunkBytes: 4096,
    layers: ['<os>&.qcow2', 'we.qcow2'].map((name) => ({ name, layerId: '', dataBytes: 1e6 })),
    held: [
      [4, 3],
      [1, 2],
    ],
    elsewhere: [3, 1],
    distinct: 4,
    flat: 4e6,
    two: 3e6,
    three: 2e6,
  };

  it('has every share, stands alone, and names of files are text in it', () => {
    const drawn = picture([report], 2);
    for (const text of ['75 %', '50 %', '&lt;os&gt;&amp;.qcow2', 'chunks of 4 KiB', 'Data of 2 VMs', '4 MB', '2 MB'])
      expect(drawn).toContain(text);
    expect(drawn.replace('http://www.w3.org/2000/svg', '')).not.toMatch(/https?:|url\(|href/);
  });
});
