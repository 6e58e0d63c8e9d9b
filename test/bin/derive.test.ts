import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { KiB, MiB, noise } from '../disk/support.ts';
import { call } from './command.ts';

describe('layer derive', () => {
  let folder = '';
  const at = (name: string) => join(folder, name);
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'layermover-derive-'));
    const content = noise(2 * MiB, 1);
    writeFileSync(at('os.raw'), content);
    noise(64 * KiB, 2).copy(content, MiB);
    writeFileSync(at('web.raw'), content);
    content.fill(0, 0, 64 * KiB);
    writeFileSync(at('web-1.raw'), content);
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it('twice makes three layers, and says what they are', async () => {
    const we = await call('layer', 'derive', at('web.raw'), '--onto', at('os.raw'), '--json');
    expect(we.lines().map((line) => line.message_type)).toEqual(['working', 'working', 'derived']);
    const file = at('web-we.qcow2');
    const whole = { virtual_bytes: 2 * MiB, read_bytes: 2 * MiB };
    const first = { file, kind: 'we', backing: 'os.raw', depth: 2, data_bytes: 64 * KiB, zero_bytes: 0 };
    expect(we.lines().at(-1)).toMatchObject({ ...whole, ...first });
    const ud = await call('layer', 'derive', at('web-1.raw'), '--onto', file, '--out', at('vm.qcow2'), '--json');
    const second = { file: at('vm.qcow2'), kind: 'ud', backing: 'web-we.qcow2', depth: 3, data_bytes: 0 };
    expect(ud.lines().at(-1)).toMatchObject({ ...whole, ...second, zero_bytes: 64 * KiB });
    expect(ud.code).toBe(0);
  });

  it('in words: what it holds, and what comes next', async () => {
    const said = await call('layer', 'derive', at('web-1.raw'), '--onto', at('web.raw'), '--out', at('w.qcow2'));
    expect(said.stdout).toBe(
      `${at('w.qcow2')} (we) over ${at('web.raw')}: 0 B of data, 65 kB of zeros hide what is below; read back and equal\n`,
    );
    expect(said.stderr).toContain('hint: the next layer goes on it: layermover layer derive FLAT --onto');
  });

  it.each([
    ['a base that is not there', ['--onto', 'nowhere.raw'], 'IMAGE_NOT_FOUND', 1],
    ['a cluster size that qcow2 has not', ['--onto', 'os.raw', '--cluster', '4M'], 'USAGE', 2],
    ['a base in another folder than may be', ['--onto', 'os.raw', '--images', 'none'], 'IMAGE_FOLDER_MISSING', 1],
  ])('%s is refused', async (_, words, code, exit) => {
    const before = readdirSync(folder);
    const said = await call(
      'layer',
      'derive',
      at('web.raw'),
      ...words.map((word) => word.replace(/.*\.raw/, at)),
      '--json',
    );
    expect(said.lines()).toMatchObject([{ message_type: 'error', error: { code } }]);
    expect(said.code).toBe(exit);
    expect(readdirSync(folder)).toEqual(before);
  });
});
