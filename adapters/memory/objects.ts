import type { ByteRange, ObjectJanitor } from '../../core/ports.ts';
import { objectMissing, objectRange } from '../rules/refusals.ts';

/** Objects in memory. */
export function createMemoryObjects(): ObjectJanitor {
  const objects = new Map<string, Buffer>();

  function existing(key: string): Buffer {
    const bytes = objects.get(key);
    if (bytes === undefined) throw objectMissing(key);
    return bytes;
  }

  return {
    async put(key, parts) {
      if (objects.has(key)) return 'present';
      objects.set(key, Buffer.concat(parts));
      return 'written';
    },
    async get(key, range) {
      const bytes = existing(key);
      return Buffer.from(range === undefined ? bytes : cut(key, bytes, range));
    },
    async tail(key, count) {
      const bytes = existing(key);
      return { bytes: Buffer.from(bytes.subarray(Math.max(0, bytes.length - count))), size: bytes.length };
    },
    async list(prefix, limit, after = '') {
      const keys = [...objects.keys()].filter((key) => key.startsWith(prefix) && key > after);
      return keys.sort().slice(0, limit);
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
