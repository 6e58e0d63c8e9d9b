import { linkSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import { KiB, noise, tempFolder, withChain } from './support.ts';
import { COPIED, dataEntry, FIRST_DATA, type TinyImage, writeTinyImage } from './tiny-image.ts';

const folder = tempFolder();
const images = () => folder.at('images');
const at = (name: string) => `${images()}/${name}`;
const ONE: TinyImage = { l2: [dataEntry(FIRST_DATA)], data: noise(64 * KiB, 1) };

const open = (name: string) => withChain(at(name), images(), async ({ layers }) => layers.map((layer) => layer.path));

/** What QEMU takes for something else than the name of a file, and names that deceive who reads them. */
const REFUSED = [
  'json:{"driver":"file","filename":"/etc/passwd"}',
  'nbd://host/disk',
  'nbd+unix:///disk?socket=/run/nbd',
  'nbd:host:10809',
  'http://host/disk',
  'https://host/disk',
  'ftp://host/disk',
  'ssh://host/disk',
  'rbd:pool/disk',
  'iscsi://host/disk',
  'file:base.raw',
  'file:///etc/passwd',
  'fat:/etc',
  'host_device:/dev/vda',
  'blkdebug::base.raw',
  'base.raw\0',
  'base.raw\0.qcow2',
  'base.raw\nof another line',
  'base\u0085.raw',
];

beforeAll(() => {
  mkdirSync(images());
  mkdirSync(at('sub'));
  writeFileSync(at('base.raw'), noise(64 * KiB, 2));
  writeFileSync(at('sub/base.raw'), noise(64 * KiB, 3));
  mkdirSync(folder.at('outside'));
  writeFileSync(folder.at('outside/base.raw'), noise(64 * KiB, 4));
  symlinkSync(folder.at('outside'), at('folder-out'));
  symlinkSync(folder.at('outside/base.raw'), at('file-out'));
  symlinkSync('file-out', at('twice-out'));
  symlinkSync('loop', at('loop'));
  symlinkSync('nowhere', at('dangling'));
  symlinkSync('sub', at('folder-in'));
  symlinkSync('sub/base.raw', at('file-in'));
});

/** The same name for a backing file and for a data file. */
const uses = [
  ['backing', (name: string): TinyImage => ({ ...ONE, backing: { name, format: 'raw' } })],
  ['data', (name: string): TinyImage => ({ ...ONE, l2: [COPIED], incompatible: 4n, dataFile: name })],
] as const;

describe.each(uses)('as the name of a %s file', (use, image) => {
  test.each(REFUSED)('%j is refused', async (name) => {
    writeTinyImage(at('names.qcow2'), image(name));
    const before = readFileSync(at('names.qcow2'));
    const code = use === 'data' ? 'DATA_FILE_NAME_REFUSED' : 'BACKING_NAME_REFUSED';
    await expect(open('names.qcow2')).rejects.toMatchObject({ code, hint: expect.any(String) });
    expect(readFileSync(at('names.qcow2')).equals(before)).toBe(true);
  });

  test.each([
    ['file-out', 'IMAGE_OUTSIDE_FOLDER'],
    ['twice-out', 'IMAGE_OUTSIDE_FOLDER'],
    ['folder-out/base.raw', 'IMAGE_OUTSIDE_FOLDER'],
    ['sub/../../outside/base.raw', 'IMAGE_OUTSIDE_FOLDER'],
    ['../images-too/base.raw', 'MISSING'],
    ['loop', 'IMAGE_NOT_READABLE'],
    ['dangling', 'MISSING'],
    ['base.raw/x', 'IMAGE_NOT_READABLE'],
    ['sub', 'IMAGE_NOT_REGULAR'],
  ])('%s, a link or path that leads astray, is refused', async (name, code) => {
    writeTinyImage(at('names.qcow2'), image(name));
    const expected = code === 'MISSING' ? (use === 'data' ? 'DATA_FILE_MISSING' : 'BACKING_MISSING') : code;
    await expect(open('names.qcow2')).rejects.toMatchObject({ code: expected });
  });

  test.each(['base.raw', './base.raw', 'sub/base.raw', 'folder-in/base.raw', 'file-in', './a:b.raw'])(
    '%s is followed inside the folder',
    async (name) => {
      writeFileSync(at('a:b.raw'), noise(64 * KiB, 5));
      writeTinyImage(at('names.qcow2'), image(name));
      expect(await open('names.qcow2')).toHaveLength(use === 'data' ? 1 : 2);
    },
  );

  test('an absolute name is taken inside the folder alone', async () => {
    writeTinyImage(at('names.qcow2'), image(at('base.raw')));
    expect(await open('names.qcow2')).toContain(at('names.qcow2'));
    writeTinyImage(at('names.qcow2'), image(folder.at('outside/base.raw')));
    await expect(open('names.qcow2')).rejects.toMatchObject({ code: 'IMAGE_OUTSIDE_FOLDER' });
  });
});

describe('a chain refuses', () => {
  const loop = { code: 'CHAIN_LOOP' };

  test('loops of three, through another name, and through a data file', async () => {
    for (const [name, below] of ['three-a', 'three-b', 'three-c'].map((each, i, all) => [each, all[(i + 1) % 3]!]))
      writeTinyImage(at(name!), { ...ONE, backing: { name: below!, format: 'qcow2' } });
    await expect(open('three-a')).rejects.toMatchObject(loop);
    writeTinyImage(at('linked'), { ...ONE, backing: { name: 'other-name' } });
    linkSync(at('linked'), at('other-name'));
    await expect(open('linked')).rejects.toMatchObject(loop);
    writeTinyImage(at('under'), { ...ONE, l2: [COPIED], incompatible: 4n, dataFile: 'over' });
    writeTinyImage(at('over'), { ...ONE, backing: { name: 'under', format: 'qcow2' } });
    await expect(open('over')).rejects.toMatchObject(loop);
  });

  test('a top image that is a link out of the folder', async () => {
    await expect(open('file-out')).rejects.toMatchObject({ code: 'IMAGE_OUTSIDE_FOLDER' });
  });

  test('a file that is called raw and looks like qcow2, unless it is declared raw', async () => {
    writeTinyImage(at('guest.raw'), ONE);
    const ambiguous = { code: 'IMAGE_FORMAT_AMBIGUOUS', hint: expect.any(String) };
    await expect(open('guest.raw')).rejects.toMatchObject(ambiguous);
    writeTinyImage(at('over-guest.qcow2'), { ...ONE, backing: { name: 'guest.raw' } });
    await expect(open('over-guest.qcow2')).rejects.toMatchObject(ambiguous);
    writeTinyImage(at('over-guest.qcow2'), { ...ONE, backing: { name: 'guest.raw', format: 'raw' } });
    expect(await open('over-guest.qcow2')).toHaveLength(2);
  });

  test.each([
    ['bochs', 'Bochs Virtual HD Image'],
    ['cloop', '#!/bin/sh\n#V2.0 Format\nmodprobe cloop file=$0'],
    ['vmdk', '# Disk DescriptorFile\n# more\n \nversion=1\nCID=fffffffe\n'],
    ['vmdk', 'version=3\r\n'],
    ['qed', 'QED\0'],
  ])('a base of no declared format with the content of %s', async (format, start) => {
    writeFileSync(at('foreign'), Buffer.concat([Buffer.from(start), Buffer.alloc(64 * KiB)]));
    writeTinyImage(at('over-foreign.qcow2'), { ...ONE, backing: { name: 'foreign' } });
    const refused = { code: 'IMAGE_FORMAT_UNSUPPORTED', data: { format } };
    await expect(open('over-foreign.qcow2')).rejects.toMatchObject(refused);
  });
});
