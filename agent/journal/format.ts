import { CHECKSUM_BYTES, checksum } from '../../core/checksum.ts';
import type { Geometry } from '../../core/chunk.ts';
import { hasCode } from '../../core/errors.ts';
import { DIGEST_BYTES, isNone, sameDigest, sha256 } from '../../core/fingerprint.ts';
import { ByteReader, ByteWriter, refuse } from '../../core/format/bytes.ts';
import { limits } from '../../core/limits.ts';

/** Which push a journal is of. */
export interface JournalOf {
  /** What the keys of its objects begin with. */
  readonly scope: string;
  readonly migration: string;
  readonly stream: string;
  readonly geometry: Geometry;
}

/** What a push has cost up to an entry, its earlier attempts included. */
export interface Spent {
  readonly wireBytes: number;
  readonly storedBytes: number;
  readonly dedupedBytes: number;
  readonly milliseconds: number;
}
export const NOTHING_SPENT: Spent = { wireBytes: 0, storedBytes: 0, dedupedBytes: 0, milliseconds: 0 };

/** A segment and the id (hex) of its latest version that is stored. */
export interface StoredVersion {
  readonly index: number;
  readonly id: string;
}

export const HEADER_BYTES = 12 + 8 + 8 + DIGEST_BYTES + CHECKSUM_BYTES;
const VERSION_BYTES = 4 + DIGEST_BYTES;
const ENTRY_BYTES = 4 + 4 * 8 + CHECKSUM_BYTES;

/** Bytes of entries that name so many versions. */
export function entriesBytes(versions: number): number {
  return Math.ceil(versions / limits.segments_per_round_commit_max) * ENTRY_BYTES + versions * VERSION_BYTES;
}

/** A journal's first bytes (docs/FORMAT.md, journal). */
export function encodeHeader(of: JournalOf, beganMs: number): Buffer {
  const { virtualBytes, chunkBytes } = of.geometry;
  const writer = new ByteWriter(HEADER_BYTES).header('LMJL').reserved(3).u32(chunkBytes).u64(virtualBytes).u64(beganMs);
  writer.put(nameOf(of));
  return writer.put(checksum(writer.bytes.subarray(0, HEADER_BYTES - CHECKSUM_BYTES))).bytes;
}

/** One entry: versions that are stored, `limits.segments_per_round_commit_max` at the most. */
export function encodeEntry(header: Uint8Array, versions: readonly StoredVersion[], spent: Spent): Buffer {
  const writer = new ByteWriter(entriesBytes(versions.length)).u32(versions.length);
  writer.u64(spent.wireBytes).u64(spent.storedBytes).u64(spent.dedupedBytes).u64(spent.milliseconds);
  for (const { index, id } of versions) writer.u32(index).put(Buffer.from(id, 'hex'));
  return writer.put(checksum(header, writer.bytes.subarray(0, -CHECKSUM_BYTES))).bytes;
}

/** When a journal was begun, by its first bytes; undefined if they are none. */
export function beganMsOf(bytes: Uint8Array): number | undefined {
  return whole(() => {
    const reader = new ByteReader('journal', bytes.subarray(0, HEADER_BYTES));
    reader.header('LMJL');
    reader.take(15);
    const beganMs = reader.u64();
    reader.take(DIGEST_BYTES);
    const body = bytes.subarray(0, reader.position);
    if (!sameDigest(checksum(body), reader.take(CHECKSUM_BYTES))) throw refuse('journal', 'differs from its checksum');
    return beganMs;
  });
}

/** What a journal tells: ids of stored versions, 32 bytes a segment, zeros where there is none. */
export interface Told {
  readonly beganMs: number;
  readonly ids: Buffer;
  readonly spent: Spent;
}

/**
 * Reads the journal of a push up to its first entry that is not whole: a crash tears the last one. Undefined if it is
 * another push's, or none at all.
 */
export function readJournal(bytes: Uint8Array, of: JournalOf): Told | undefined {
  const beganMs = beganMsOf(bytes);
  const header = bytes.subarray(0, HEADER_BYTES);
  if (beganMs === undefined || !sameDigest(header, encodeHeader(of, beganMs))) return undefined;
  const ids = Buffer.alloc(of.geometry.segments * DIGEST_BYTES);
  let spent = NOTHING_SPENT;
  for (let rest = bytes.subarray(HEADER_BYTES); ; ) {
    const entry = whole(() => readEntry(header, rest, of.geometry));
    if (entry === undefined) return { beganMs, ids, spent };
    for (const { index, id } of entry.versions) ids.set(id, index * DIGEST_BYTES);
    spent = entry.spent;
    rest = rest.subarray(entry.bytes);
  }
}

function readEntry(header: Uint8Array, bytes: Uint8Array, { segments }: Geometry) {
  const reader = new ByteReader('journal', bytes);
  const count = reader.u32();
  if (count < 1 || count > limits.segments_per_round_commit_max) throw refuse('journal', `names ${count} versions`);
  const [wireBytes, storedBytes, dedupedBytes, milliseconds] = [reader.u64(), reader.u64(), reader.u64(), reader.u64()];
  const versions = Array.from({ length: count }, () => ({ index: reader.u32(), id: reader.take(DIGEST_BYTES) }));
  const body = bytes.subarray(0, reader.position);
  if (!sameDigest(checksum(header, body), reader.take(CHECKSUM_BYTES))) throw refuse('journal', 'has a torn entry');
  if (versions.some(({ index, id }) => index >= segments || isNone(id))) throw refuse('journal', 'names no version');
  return { versions, bytes: reader.position, spent: { wireBytes, storedBytes, dedupedBytes, milliseconds } };
}

function nameOf({ scope, migration, stream }: JournalOf): Buffer {
  return sha256(Buffer.from(`${scope}\n${migration}\n${stream}`));
}

function whole<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (hasCode(error, 'FORMAT_REFUSED', 'FORMAT_VERSION')) return undefined;
    throw error;
  }
}
