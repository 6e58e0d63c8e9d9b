import { createCipheriv } from 'node:crypto';
import { closeSync, openSync, readdirSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';

const MiB = 1024 * 1024;
const POOL_BYTES = 16 * 1024;
/** How often a compressible piece breaks off for bytes that nothing tells beforehand. */
const FRESH_BYTES = 8;
const WORD_BYTES = 40;

/** What disks hold: fills a buffer, each call with the next part of one endless content. */
export type Content = (into: Uint8Array) => void;

/** Bytes that no compressor shrinks: AES in counter mode over zeros, from a seed. */
export function incompressible(seed: number): Content {
  const key = Buffer.alloc(16);
  key.writeUInt32BE(seed);
  const cipher = createCipheriv('aes-128-ctr', key, Buffer.alloc(16));
  return (into) => into.set(cipher.update(Buffer.alloc(into.length)));
}

/** Bytes that shrink to about 40 %: words from a pool of 16 KiB, each followed by a few fresh bytes. */
export function compressible(seed: number): Content {
  const fresh = incompressible(seed);
  const pool = Buffer.alloc(POOL_BYTES);
  fresh(pool);
  const places = new Uint32Array(4096);
  let next = places.length;
  const place = () => {
    if (next === places.length) {
      fresh(new Uint8Array(places.buffer));
      next = 0;
    }
    return places[next++]! % (POOL_BYTES - WORD_BYTES);
  };
  return (into) => {
    fresh(into);
    for (let at = 0; at + WORD_BYTES <= into.length; at += WORD_BYTES + FRESH_BYTES) {
      const word = place();
      into.set(pool.subarray(word, word + WORD_BYTES), at);
    }
  };
}

/** The files that a working system has: the libraries below `folder` and Node itself, over and over. */
export function realFiles(folder = '/usr/lib'): Content {
  const files = [process.execPath, ...largeFiles(folder)];
  let at = 0;
  let open: { fd: number; offset: number } | undefined;
  return (into) => {
    for (let done = 0; done < into.length; ) {
      open ??= { fd: openSync(files[at++ % files.length]!, 'r'), offset: 0 };
      const count = readSync(open.fd, into, done, into.length - done, open.offset);
      done += count;
      open.offset += count;
      if (count > 0) continue;
      closeSync(open.fd);
      open = undefined;
    }
  };
}

/**
 * Ascending by name, so that two runs on one machine read the same. Links are passed over: they may lead in a ring. So is
 * what goes while this looks: a machine may be installing something.
 */
function largeFiles(folder: string): string[] {
  const entries = readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
  return entries.flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return largeFiles(path);
    return entry.isFile() && sizeOf(path) >= MiB ? [path] : [];
  });
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
