import type { Files, OpenFile } from '../../../core/files.ts';
import type { Life } from './life.ts';

/** A host's files as one run of its agent sees them: every call may be its last. */
export function mortalFiles(files: Files, life: Life): Files {
  const wrap = (file: OpenFile, path: string): OpenFile => ({
    fd: file.fd,
    stat: () => life.through('fstat', () => file.stat()),
    read: (into, offset) => life.through(`read ${path}`, () => file.read(into, offset)),
    write: (bytes, offset) => life.through(`write ${path}`, () => file.write(bytes, offset)),
    truncate: (bytes) => life.through(`truncate ${path}`, () => file.truncate(bytes)),
    sync: () => life.through(`sync ${path}`, () => file.sync()),
    close: () => life.through('close', () => file.close()),
  });
  return {
    open: (path, how) => life.through(`open ${path}`, async () => wrap(await files.open(path, how), path)),
    readAt: files.readAt,
    readFile: (path) => life.through('readFile', () => files.readFile(path)),
    stat: (path) => life.through('stat', () => files.stat(path)),
    exists: (path) => files.exists(path),
    resolve: (path) => life.through('resolve', () => files.resolve(path)),
    freeBytes: (folder) => life.through('freeBytes', () => files.freeBytes(folder)),
    list: (folder) => life.through('list', () => files.list(folder)),
    makeFolder: (path) => life.through('makeFolder', () => files.makeFolder(path)),
    makeTemporaryFolder: (prefix) => life.through('makeTemporaryFolder', () => files.makeTemporaryFolder(prefix)),
    rename: (from, to) => life.through(`rename ${from}`, () => files.rename(from, to)),
    remove: (path) => life.through(`remove ${path}`, () => files.remove(path)),
    syncFolder: (path) => life.through(`syncFolder ${path}`, () => files.syncFolder(path)),
    lock: (path) => files.lock(path),
  };
}
