import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { MemoryFiles } from '../../adapters/memory/files.ts';
import { systemFiles } from '../../adapters/system/files.ts';
import type { Files } from '../../core/files.ts';

const real = mkdtempSync(join(tmpdir(), 'layermover-files-'));
afterAll(() => rmSync(real, { recursive: true }));

const worlds: readonly { name: string; files: Files; base: string }[] = [
  { name: 'memory', files: new MemoryFiles({ nowMs: () => 1_000_000, chance: () => 0.5 }), base: '/base' },
  { name: 'system', files: systemFiles, base: real },
];

describe.each(worlds)('Files: $name', ({ files, base }) => {
  let cases = 0;
  /** A new folder for each case. */
  async function folder(): Promise<string> {
    const path = join(base, `case-${++cases}`);
    await files.makeFolder(path);
    return path;
  }

  async function write(path: string, text: string): Promise<void> {
    const file = await files.open(path, 'replace');
    await file.write(Buffer.from(text), 0);
    await file.close();
  }

  const refused = (code: string) => expect.objectContaining({ code });

  it('reads and writes at offsets; what was never written is zeros, the end is short', async () => {
    const path = join(await folder(), 'file');
    const file = await files.open(path, 'create');
    await file.write(Buffer.from('abc'), 5);
    await file.write(Buffer.from('Z'), 6);
    const into = Buffer.alloc(10, 0xff);
    expect(await file.read(into, 0)).toBe(8);
    expect(into).toEqual(Buffer.from('\0\0\0\0\0aZc\xff\xff', 'latin1'));
    expect(await file.read(into, 8)).toBe(0);
    const at = Buffer.alloc(4);
    expect(files.readAt(file.fd, at, 5)).toBe(3);
    expect(`${at.subarray(0, 3)}`).toBe('aZc');
    await file.truncate(6);
    await file.truncate(7);
    expect((await file.stat()).bytes).toBe(7);
    await file.sync();
    await file.close();
    expect(await files.readFile(path)).toEqual(Buffer.from('\0\0\0\0\0a\0', 'latin1'));
  });

  it('creates only what is not there, reads only what is, and replaces either', async () => {
    const path = join(await folder(), 'file');
    await expect(files.open(path, 'read')).rejects.toEqual(refused('ENOENT'));
    await expect(files.readFile(path)).rejects.toEqual(refused('ENOENT'));
    await expect(files.stat(path)).rejects.toEqual(refused('ENOENT'));
    await expect(files.resolve(path)).rejects.toEqual(refused('ENOENT'));
    expect(files.exists(path)).toBe(false);
    await write(path, 'long before');
    expect(files.exists(path)).toBe(true);
    await expect(files.open(path, 'create')).rejects.toEqual(refused('EEXIST'));
    await write(path, 'now');
    expect(`${await files.readFile(path)}`).toBe('now');
    await expect(files.open(join(path, 'below'), 'create')).rejects.toThrow();
  });

  it('tells by stat when a file was changed or replaced, and that it was not', async () => {
    const path = join(await folder(), 'file');
    await write(path, 'one');
    const before = await files.stat(path);
    expect(before).toMatchObject({ kind: 'file', bytes: 3 });
    expect(await files.stat(path)).toEqual(before);
    await write(`${path}.tmp`, 'two');
    await files.rename(`${path}.tmp`, path);
    const replaced = await files.stat(path);
    expect(replaced.ino).not.toBe(before.ino);
    const file = await files.open(path, 'replace');
    await new Promise((resolve) => setTimeout(resolve, 20));
    await file.write(Buffer.from('two'), 0);
    await file.close();
    const changed = await files.stat(path);
    expect(changed.ino).toBe(replaced.ino);
    expect(changed.mtimeNs).toBeGreaterThan(replaced.mtimeNs);
  });

  it('renames files over files and folders over empty folders, but over no others', async () => {
    const at = await folder();
    const [a, b, c] = ['a', 'b', 'c'].map((name) => join(at, name)) as [string, string, string];
    for (const each of [a, b, c]) await files.makeFolder(each);
    await write(join(a, 'x'), 'x');
    await files.rename(a, b);
    expect(`${await files.readFile(join(b, 'x'))}`).toBe('x');
    await expect(files.rename(c, b)).rejects.toSatisfy((error: { code: string }) =>
      ['ENOTEMPTY', 'EEXIST'].includes(error.code),
    );
    await expect(files.rename(a, c)).rejects.toEqual(refused('ENOENT'));
  });

  it('lists names with their kinds', async () => {
    const at = await folder();
    await write(join(at, 'file'), '');
    await files.makeFolder(join(at, 'sub', 'deeper'));
    const entries = await files.list(at);
    expect(entries.sort((x, y) => (x.name < y.name ? -1 : 1))).toEqual([
      { name: 'file', kind: 'file' },
      { name: 'sub', kind: 'folder' },
    ]);
    await expect(files.list(join(at, 'none'))).rejects.toEqual(refused('ENOENT'));
    await files.syncFolder(at);
    expect(await files.resolve(join(at, 'sub'))).toBe(join(at, 'sub'));
    expect(await files.freeBytes(at)).toBeGreaterThan(0);
  });

  it('removes files and folders with all in them; what is not there is no error', async () => {
    const at = await folder();
    await files.makeFolder(join(at, 'sub', 'deeper'));
    await write(join(at, 'sub', 'file'), 'x');
    await files.remove(join(at, 'sub'));
    await files.remove(join(at, 'sub'));
    expect(await files.list(at)).toEqual([]);
  });

  it('an open file that is removed can still be read; a closed one can’t', async () => {
    const path = join(await folder(), 'file');
    await write(path, 'still');
    const file = await files.open(path, 'read');
    await files.remove(path);
    expect(files.readAt(file.fd, Buffer.alloc(5), 0)).toBe(5);
    await file.close();
    await file.close();
    await expect(file.read(Buffer.alloc(1), 0)).rejects.toEqual(refused('EBADF'));
  });

  it('makes temporary folders of different names', async () => {
    const prefix = join(await folder(), 'draft-');
    const [one, two] = [await files.makeTemporaryFolder(prefix), await files.makeTemporaryFolder(prefix)];
    expect(one).not.toBe(two);
    for (const each of [one, two]) expect(each.startsWith(prefix)).toBe(true);
    expect(files.exists(one)).toBe(true);
  });

  it('gives a lock to one at a time', async () => {
    const path = join(await folder(), 'state', 'lock');
    const unlock = files.lock(path);
    expect(() => files.lock(path)).toThrow();
    unlock();
    files.lock(path)();
  });
});
