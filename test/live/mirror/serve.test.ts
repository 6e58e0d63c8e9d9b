import { execFile } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { afterEach, expect, it } from 'vitest';
import type { LocalCopy } from '../../../agent/live/mirror/local-copy.ts';
import { limits } from '../../../core/limits.ts';
import { eachFolder } from '../../agent/support.ts';
import { describeWithQemu } from '../../disk/qemu.ts';
import { expectSame, noise } from '../../disk/support.ts';
import { serveCopy } from './served.ts';

const MiB = 1024 * 1024;
const folder = eachFolder();
const asTheyAre = { ...limits };
let served: Awaited<ReturnType<typeof serveCopy>> | undefined;
afterEach(async () => {
  Object.assign(limits, asTheyAre);
  await served?.end();
  served = undefined;
});

const run = promisify(execFile);

/** Runs commands of qemu-io on what is served; gives what it says. */
async function io(...commands: string[]): Promise<string> {
  const words = commands.flatMap((command) => ['-c', command]);
  const { stdout } = await run('qemu-io', ['-f', 'raw', ...words, served!.uri]);
  return stdout;
}

/** What a round would take, and the bytes that it would read. */
function taken(copy: LocalCopy) {
  return copy.segments().flatMap((segment) => [...copy.take(segment)]);
}

describeWithQemu('what QEMU writes to a copy', () => {
  it('it reads again: bytes, zeros over them, parts of chunks', async () => {
    served = await serveCopy(folder.at, 8 * MiB + 512);
    const said = await io(
      'write -P 0x11 0 4M',
      'write -z 1M 1M',
      'write -P 0x22 1000k 200k',
      'write -z 3001k 3k',
      'write -P 0x33 8M 512',
      'flush',
      'read -P 0x11 0 1000k',
      'read -P 0x22 1000k 200k',
      'read -P 0 1200k 848k',
      'read -P 0x11 2M 953k',
      'read -P 0 3001k 3k',
      'read -P 0x11 3004k 1092k',
      'read -P 0 4M 4M',
      'read -P 0x33 8M 512',
    );
    expect(said).not.toMatch(/fail|error/i);
    expect(served.log.lines).toEqual([]);
  });

  it('is there byte for byte, whatever it was before', async () => {
    served = await serveCopy(folder.at, 32 * MiB, 4096);
    writeFileSync(folder.at('disk.raw'), Buffer.concat([noise(20 * MiB, 3), Buffer.alloc(4 * MiB), noise(8 * MiB, 4)]));
    await io('write -P 0xff 0 32M');
    await run('qemu-img', [
      'convert',
      '-n',
      '-m',
      '16',
      '-W',
      '-f',
      'raw',
      '-O',
      'raw',
      folder.at('disk.raw'),
      served.uri,
    ]);
    await run('qemu-img', ['compare', '-f', 'raw', '-F', 'raw', folder.at('disk.raw'), served.uri]);
    const bytes = Buffer.alloc(32 * MiB);
    await served.copy.read(0, bytes);
    expectSame(bytes, readFileSync(folder.at('disk.raw')));
  });

  it('is for the next round, chunk by chunk, and comes back if that fails', async () => {
    served = await serveCopy(folder.at, 16 * MiB);
    const { copy } = served;
    await io('write -P 1 64k 128k', 'write -z 1M 64k', 'write -P 2 2049k 1k', 'write -z 2100k 1k');
    const K = 1024;
    const expected = [
      { offset: 64 * K, length: 64 * K, state: 'data' },
      { offset: 128 * K, length: 64 * K, state: 'data' },
      { offset: 1024 * K, length: 64 * K, state: 'zero' },
      { offset: 2048 * K, length: 64 * K, state: 'data' },
    ];
    expect(copy.unsentBytes).toBe(4 * 64 * K);
    expect(taken(copy)).toEqual(expected);
    expect(copy.unsentBytes).toBe(0);
    await io('write -P 3 64k 4k');
    copy.giveBack();
    expect(taken(copy)).toEqual(expected);
    copy.forget();
    expect(taken(copy)).toEqual([]);
  });

  it('is refused as a full disk would, and the guest’s own file system never comes to that', async () => {
    served = await serveCopy(folder.at, 64 * MiB);
    Object.assign(limits, { mirror_look_bytes: 1 * MiB, mirror_free_bytes_min: 2 ** 60 });
    await expect(io('write -P 1 0 4M')).rejects.toMatchObject({ stdout: expect.stringContaining('No space left') });
    expect(served.copy.failure).toMatchObject({ code: 'DISK_FULL' });
    await expect(serveCopy(folder.at, 64 * MiB)).rejects.toMatchObject({ code: 'DISK_FULL' });
  });

  it('goes to a name that is served, and to no other', async () => {
    served = await serveCopy(folder.at, MiB);
    served.uri = served.uri.replace('copy?', 'other?');
    await expect(io('read 0 1k')).rejects.toThrow(/export/i);
  });

  it('leaves nothing once it is let go, and its socket with it', async () => {
    served = await serveCopy(folder.at, MiB);
    await io('write 0 1M');
    await served.end();
    expect(readdirSync(folder.path())).toEqual([]);
    served = undefined;
  });
});
