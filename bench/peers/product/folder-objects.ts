import { mkdir, open, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { objectMissing, objectRange, objectTooLarge } from '../../../adapters/rules/refusals.ts';
import type { ObjectStore } from '../../../core/ports.ts';

/** Objects as files of a folder, durable before they have their names. */
export function createFolderObjects(folder: string): ObjectStore {
  const opened = async <T>(key: string, use: (file: Awaited<ReturnType<typeof open>>) => Promise<T>): Promise<T> => {
    const file = await open(join(folder, key)).catch(() => {
      throw objectMissing(key);
    });
    return await use(file).finally(() => file.close());
  };
  const read = async (file: Awaited<ReturnType<typeof open>>, offset: number, length: number) => {
    const bytes = Buffer.allocUnsafeSlow(length);
    await file.read(bytes, 0, length, offset);
    return bytes;
  };
  let parts = 0;
  return {
    async put(key, pieces) {
      const path = join(folder, key);
      await mkdir(dirname(path), { recursive: true });
      if (await isThere(path)) return 'present';
      const part = `${path}.part${parts++}`;
      const file = await open(part, 'wx');
      await file.writev([...pieces]);
      await file.datasync();
      await file.close();
      await rename(part, path);
      return 'written';
    },
    get: (key, part) =>
      opened(key, async (file) => {
        const { size } = await file.stat();
        if (!('offset' in part)) {
          if (size > part.bytesMax) throw objectTooLarge(key, size, part.bytesMax);
          return await read(file, 0, size);
        }
        if (part.length < 1 || part.offset + part.length > size) throw objectRange(key, part);
        return await read(file, part.offset, part.length);
      }),
    tail: (key, count) =>
      opened(key, async (file) => {
        const { size } = await file.stat();
        const length = Math.min(size, count);
        return { bytes: await read(file, size - length, length), size };
      }),
  };
}

async function isThere(path: string): Promise<boolean> {
  const file = await open(path).catch(() => undefined);
  await file?.close();
  return file !== undefined;
}
