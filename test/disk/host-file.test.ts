import { describe, expect, it } from 'vitest';
import { systemFiles } from '../../adapters/system/files.ts';
import { HostFile } from '../../agent/disk/host-file.ts';
import { diskLimits } from '../../agent/disk/limits.ts';
import type { Files, OpenFile } from '../../core/files.ts';
import { MiB } from './support.ts';

/** A file that keeps nothing; each sync is told, and ends when the test says how. */
function fileThatSyncs() {
  const syncs: PromiseWithResolvers<void>[] = [];
  let isClosed = false;
  const file: Partial<OpenFile> = {
    write: async () => undefined,
    sync: () => {
      syncs.push(Promise.withResolvers());
      return syncs.at(-1)!.promise;
    },
    close: async () => {
      isClosed = true;
    },
  };
  const files: Files = { ...systemFiles, open: async () => file as OpenFile };
  return { syncs, files, isClosed: () => isClosed };
}

const bytes = Buffer.alloc(MiB);

async function write(file: HostFile, count: number): Promise<void> {
  for (let done = 0; done < count; done += bytes.length) await file.write(bytes, done);
}

describe('a file that much is written to', () => {
  it('is brought on disk meanwhile, by one sync at a time', async () => {
    const { syncs, files } = fileThatSyncs();
    const file = await HostFile.create('/disk', files);
    await write(file, diskLimits.sync_ahead_bytes - MiB);
    expect(syncs).toHaveLength(0);
    await write(file, MiB);
    expect(syncs).toHaveLength(1);
    await write(file, 2 * diskLimits.sync_ahead_bytes);
    expect(syncs).toHaveLength(1);
    syncs[0]!.resolve();
    await syncs[0]!.promise;
    await write(file, MiB);
    expect(syncs).toHaveLength(2);
  });

  it('is on disk when sync says so: the one under way began too early', async () => {
    const { syncs, files } = fileThatSyncs();
    const file = await HostFile.create('/disk', files);
    await write(file, diskLimits.sync_ahead_bytes);
    let isSynced = false;
    const synced = file.sync().then(() => {
      isSynced = true;
    });
    syncs[0]!.resolve();
    await expect.poll(() => syncs.length).toBe(2);
    expect(isSynced).toBe(false);
    syncs[1]!.resolve();
    await synced;
  });

  it('tells of bytes that were lost, though the system tells of them but once', async () => {
    const { syncs, files, isClosed } = fileThatSyncs();
    const file = await HostFile.create('/disk', files);
    await write(file, diskLimits.sync_ahead_bytes);
    syncs[0]!.reject(Object.assign(new Error('no'), { code: 'EIO' }));
    await expect(file.sync()).rejects.toMatchObject({ code: 'DISK_IO_FAILED' });
    await expect(file.sync()).rejects.toMatchObject({ code: 'DISK_IO_FAILED' });
    expect(syncs).toHaveLength(1);
    await file.close();
    expect(isClosed()).toBe(true);
  });
});
