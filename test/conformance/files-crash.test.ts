import { describe, expect, it } from 'vitest';
import { MemoryFiles } from '../../adapters/memory/files.ts';
import type { OpenFile } from '../../core/files.ts';

/** A host whose luck at a crash is always the same. */
async function host(luck: number) {
  const files = new MemoryFiles({ nowMs: () => 0, chance: () => luck });
  await files.makeFolder('/at');
  return files;
}

async function written(files: MemoryFiles, path: string, text: string, sync: boolean): Promise<OpenFile> {
  const file = await files.open(path, 'replace');
  await file.write(Buffer.from(text), 0);
  if (sync) await file.sync();
  return file;
}

const UNLUCKY = 0.99;
const NOTHING_LEFT = 0.1;

describe('a crash of a host in memory', () => {
  it('keeps what was synced, name and bytes', async () => {
    for (const luck of [UNLUCKY, NOTHING_LEFT]) {
      const files = await host(luck);
      await written(files, '/at/file', 'kept', true);
      await files.syncFolder('/at');
      files.crash();
      expect(`${files.peek('/at/file')}`).toBe('kept');
    }
  });

  it('may lose a name that was not synced, or the bytes under one that was', async () => {
    const names = await host(UNLUCKY);
    await written(names, '/at/file', 'kept', true);
    names.crash();
    expect(names.peek('/at/file')).toBeUndefined();

    const bytes = await host(NOTHING_LEFT);
    await written(bytes, '/at/file', 'lost', false);
    await bytes.syncFolder('/at');
    bytes.crash();
    expect(`${bytes.peek('/at/file')}`).toBe('');
  });

  it('may tear what was written, at a sector', async () => {
    const files = await host(0.9);
    await written(files, '/at/file', 'x'.repeat(2000), false);
    await files.syncFolder('/at');
    files.crash();
    expect(files.peek('/at/file')?.length).toBe(3 * 512);
  });

  it('a rename comes to the disk whole or not at all', async () => {
    for (const [luck, name] of [
      [UNLUCKY, 'old'],
      [NOTHING_LEFT, 'new'],
    ] as const) {
      const files = await host(luck);
      await written(files, '/at/old', 'text', true);
      await files.syncFolder('/at');
      await files.rename('/at/old', '/at/new');
      files.crash();
      expect(files.paths('/at')).toEqual([`/at/${name}`]);
    }
  });

  it('ends handles and locks; if only the process dies, all it wrote stays', async () => {
    for (const end of ['crash', 'kill'] as const) {
      const files = await host(UNLUCKY);
      const file = await written(files, '/at/file', 'text', false);
      files.lock('/at/lock');
      files[end]();
      await expect(file.sync()).rejects.toMatchObject({ code: 'EBADF' });
      files.lock('/at/lock');
      expect(files.peek('/at/file')?.length).toBe(end === 'kill' ? 4 : undefined);
    }
  });

  it('has no room while its disk is full', async () => {
    const files = await host(UNLUCKY);
    const file = await written(files, '/at/file', 'text', false);
    files.full = true;
    await expect(file.write(Buffer.from('more'), 4)).rejects.toMatchObject({ code: 'ENOSPC' });
    await expect(files.open('/at/other', 'create')).rejects.toMatchObject({ code: 'ENOSPC' });
    files.full = false;
    await file.write(Buffer.from('more'), 4);
    expect(`${files.peek('/at/file')}`).toBe('textmore');
  });
});
