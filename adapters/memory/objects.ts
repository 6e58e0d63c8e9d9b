import type { ByteRange, ObjectJanitor } from '../../core/ports.ts';
import { objectMissing, objectRange, objectTooLarge } from '../rules/refusals.ts';

/** Objects in memory. */
export function createMemoryObjects(): ObjectJanitor {
  const objects = new Map<string, Buffer>();

  function existing(key: string): Buffer {
    const bytes = objects.get(key);
    if (bytes === undefined) throw objectMissing(key);
    return bytes;
  }

  async function list(prefix: string, limit: number, after = ''): Promise<string[]> {
    const keys = [...objects.keys()].filter((key) => key.startsWith(prefix) && key > after);
    return keys.sort().slice(0, limit);
  }

  return {
    async put(key, parts) {
      if (objects.has(key)) return 'present';
      objects.set(key, Buffer.concat(parts));
      return 'written';
    },
    async get(key, part) {
      const bytes = existing(key);
      if ('offset' in part) return Buffer.from(cut(key, bytes, part));
      if (bytes.length > part.bytesMax) throw objectTooLarge(key, bytes.length, part.bytesMax);
      return Buffer.from(bytes);
    },
    async tail(key, count) {
      const bytes = existing(key);
      return { bytes: Buffer.from(bytes.subarray(Math.max(0, bytes.length - count))), size: bytes.length };
    },
    list,
    async sizes(prefix, limit, after) {
      const keys = await list(prefix, limit, after);
      return keys.map((key) => ({ key, bytes: existing(key).length }));
    },
    async remove(keys) {
      for (const key of keys) objects.delete(key);
    },
  };
}

function cut(key: string, bytes: Buffer, { offset, length }: ByteRange): Buffer {
  if (length < 1 || offset + length > bytes.length) throw objectRange(key, { offset, length });
  return bytes.subarray(offset, offset + length);
}
