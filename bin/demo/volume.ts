import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { open, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { LayerMoverError } from '../../core/errors.ts';
import type { MachineFile } from './machine-files.ts';

const run = promisify(execFile);

/** A raw disk that files are put on: an ext4 file system where the tools for it are, else volumes of tar. Neither needs root. */
export interface Volume {
  readonly kind: string;
  /** Makes an empty disk. */
  format(disk: string, bytes: number): Promise<void>;
  /** Puts files into a new folder of the disk. */
  add(disk: string, folder: string, files: readonly MachineFile[]): Promise<void>;
}

function tool(name: string): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/sbin'];
  return folders.map((folder) => path.join(folder, name)).find((file) => existsSync(file));
}

function ext4(mke2fs: string, debugfs: string, { journal = false } = {}): Volume {
  const features = journal ? [] : ['-O', '^has_journal'];
  return {
    kind: 'ext4 file system',
    async format(disk, bytes) {
      await run(mke2fs, ['-q', '-F', '-t', 'ext4', ...features, disk, `${Math.floor(bytes / 1024)}k`]);
    },
    async add(disk, folder, files) {
      const lines = files.map(
        (file, at) => `write "${file.path}" /${folder}/${String(at).padStart(4, '0')}-${plain(file.path)}`,
      );
      const script = `${disk}.commands`;
      await writeFile(script, [`mkdir /${folder}`, ...lines, ''].join('\n'));
      await run(debugfs, ['-w', '-f', script, disk], { maxBuffer: 16 * 1024 * 1024 });
    },
  };
}

function plain(file: string): string {
  return path.basename(file).replace(/[^A-Za-z0-9._-]/g, '_');
}

/** Each folder is one tar archive, begun at the next mark of the disk: a copy of a disk goes on where the disk stood. */
function tar(): Volume {
  const MARK = 96 * 1024 * 1024;
  const place = ['os', 'we', 'ud'];
  return {
    kind: 'tar volume',
    async format(disk, bytes) {
      const handle = await open(disk, 'w');
      await handle.truncate(bytes);
      await handle.close();
    },
    async add(disk, folder, files) {
      const archive = `${disk}.tar`;
      await run('tar', ['-cf', archive, '-P', ...files.map((file) => file.path)]);
      await pour(archive, disk, place.indexOf(folder) * MARK);
    },
  };
}

async function pour(from: string, to: string, offset: number): Promise<void> {
  const [source, target] = [await open(from, 'r'), await open(to, 'r+')];
  try {
    const buffer = Buffer.alloc(1024 * 1024);
    for (let at = offset; ; ) {
      const { bytesRead } = await source.read(buffer, 0, buffer.length);
      if (bytesRead === 0) return;
      await target.write(buffer, 0, bytesRead, at);
      at += bytesRead;
    }
  } finally {
    await source.close();
    await target.close();
  }
}

/** Volumes that are ext4 file systems. Errors: TOOLS_MISSING. */
export function ext4Volume(options: { journal: boolean }): Volume {
  const [mke2fs, debugfs] = [tool('mke2fs'), tool('debugfs')];
  if (mke2fs && debugfs) return ext4(mke2fs, debugfs, options);
  throw new LayerMoverError('TOOLS_MISSING', 'mke2fs and debugfs are not installed', {
    hint: 'apt-get install e2fsprogs',
  });
}

export function volume(): Volume {
  const [mke2fs, debugfs] = [tool('mke2fs'), tool('debugfs')];
  return mke2fs && debugfs ? ext4(mke2fs, debugfs) : tar();
}
