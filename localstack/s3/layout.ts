import { S3_LIMITS } from './limits.ts';

/**
 * Where a key lies below its bucket's folder.
 *
 * Keys are handled as *byte strings*: one character (U+0000 to U+00FF) per byte of the key's UTF-8, so that `<` is S3's
 * order. `/` makes folders, so that listing a prefix reads that folder alone. A segment's bytes outside [A-Za-z0-9._-]
 * are written %XX; a suffix tells what an entry is, so that `a` and `a/b` do not collide and no name is `.` or `..`:
 *
 *     .o  an object          .d  a folder: the segment and a slash
 *     .c  the first `maxNameBytes` bytes of a longer segment, which goes on inside
 */
export interface Place {
  /** Names from the bucket's folder down. */
  readonly folders: readonly string[];
  /** Bytes of the key that those folders stand for. */
  readonly base: string;
  /** How the rest of the key is written, without a suffix: names of entries below a prefix begin with it. */
  readonly name: string;
}

/** Suffix of an object's file; the others are as long. */
export const OBJECT = '.o';

export function toByteString(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

export function fromByteString(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString('utf8');
}

/** The place of a key; of a prefix, `folders` is the deepest folder that holds all its keys. */
export function placeOf(key: string): Place {
  const segments = key.split('/');
  const last = segments.pop() ?? '';
  const folders = segments.flatMap((segment) => {
    const { heads, rest } = pieces(segment);
    return [...heads, `${encodeName(rest)}.d`];
  });
  const { heads, rest } = pieces(last);
  const base = key.slice(0, key.length - rest.length);
  return { folders: [...folders, ...heads], base, name: encodeName(rest) };
}

/** A segment of exactly `maxNameBytes` is a head and an empty rest: all keys that begin alike then share a folder. */
function pieces(segment: string): { heads: string[]; rest: string } {
  const size = S3_LIMITS.maxNameBytes;
  const heads: string[] = [];
  let rest = segment;
  while (rest.length >= size) {
    heads.push(`${encodeName(rest.slice(0, size))}.c`);
    rest = rest.slice(size);
  }
  return { heads, rest };
}

export interface Entry {
  readonly name: string;
  readonly isObject: boolean;
  /** What the entry adds to the key, a folder's slash included. No folder's text begins another entry's, so that sorting
   * entries by it sorts all the keys below them. */
  readonly text: string;
}

/** True if what `name` stands for begins with what `begin`, a place's name, does. The suffix is no part of it. */
export function isBelow(name: string, begin: string): boolean {
  return name.startsWith(begin) && name.length >= begin.length + OBJECT.length;
}

/** What a name found in a folder stands for. */
export function entryOf(name: string): Entry {
  const text = decodeName(name.slice(0, -OBJECT.length));
  return { name, isObject: name.endsWith(OBJECT), text: name.endsWith('.d') ? `${text}/` : text };
}

function encodeName(bytes: string): string {
  return bytes.replace(
    /[^A-Za-z0-9._-]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
  );
}

function decodeName(name: string): string {
  if (!name.includes('%')) return name;
  return name.replace(/%(..)/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}
