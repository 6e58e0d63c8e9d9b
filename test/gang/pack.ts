import { constants, zstdCompressSync } from 'node:zlib';
import { CHUNK_BYTES, type Chunk } from './read-layer.ts';

/** docs/FORMAT.md and docs/ARCHITECTURE.md. */
const FRAME_RAW_BYTES = 16 * 1024 * 1024;
const PACK_RAW_BYTES = 32 * 1024 * 1024;
const FRAME_HEAD_BYTES = 36;
const FOOTER_BYTES = { head: 16, frame: 36, chunk: 36, trailer: 16 };

/** From the least that it may be to the most; both are the same where it can be told exactly. */
export type Range = readonly [least: number, most: number];
export const sum = (ranges: readonly Range[]): Range =>
  ranges.reduce<Range>(([least, most], each) => [least + each[0], most + each[1]], [0, 0]);
export const exactly = (bytes: number): Range => [bytes, bytes];

/** A data chunk: one whose content is not all zeros. */
export type DataChunk = Chunk & { readonly id: string };

export interface Frame {
  readonly bytes: Range;
}

/** Where a chunk lies: in which frame, and how far into it once that is decompressed. */
export interface Place {
  readonly frame: Frame;
  readonly offset: number;
}

export interface Pack {
  /** By the chunk's id: each content once. */
  readonly places: ReadonlyMap<string, Place>;
  /** Chunks that it was filled with, those that repeat others of it among them. */
  readonly chunks: readonly DataChunk[];
  readonly repeatedBytes: number;
  readonly bytes: Range;
}

/** Fills packs with chunks in their order, as full as may be. What is in the open pack already is not put into it again. */
export function packsOf(chunks: readonly DataChunk[]): Pack[] {
  const packs: Pack[] = [];
  let open: DataChunk[] = [];
  let rawBytes = 0;
  let ids = new Set<string>();
  for (const chunk of chunks) {
    if (rawBytes + chunk.length > PACK_RAW_BYTES) {
      packs.push(seal(open));
      [open, rawBytes, ids] = [[], 0, new Set()];
    }
    open.push(chunk);
    if (!ids.has(chunk.id)) rawBytes += chunk.length;
    ids.add(chunk.id);
  }
  return open.length === 0 ? packs : [...packs, seal(open)];
}

function seal(chunks: readonly DataChunk[]): Pack {
  const unique = [...new Map(chunks.map((chunk) => [chunk.id, chunk])).values()];
  const places = new Map<string, Place>();
  const frames: Frame[] = [];
  for (let at = 0; at < unique.length; ) {
    const count = FRAME_RAW_BYTES / CHUNK_BYTES;
    const some = unique.slice(at, at + count);
    const payload = payloadBytes(Buffer.concat(some.map(({ bytes }) => bytes)));
    const frame = { bytes: sum([exactly(FRAME_HEAD_BYTES), payload]) };
    frames.push(frame);
    for (const [nth, { id }] of some.entries()) places.set(id, { frame, offset: nth * CHUNK_BYTES });
    at += count;
  }
  const { head, frame, chunk, trailer } = FOOTER_BYTES;
  const footer = head + frame * frames.length + chunk * unique.length + trailer;
  const bytesOf = (of: readonly DataChunk[]) => of.reduce((all, { length }) => all + length, 0);
  return {
    places,
    chunks,
    repeatedBytes: bytesOf(chunks) - bytesOf(unique),
    bytes: sum([exactly(footer), ...frames.map(({ bytes }) => bytes)]),
  };
}

/** What does not shrink is stored as it is. What does depends on the level, which the link decides: a little either way. */
function payloadBytes(raw: Buffer): Range {
  const at = (level: number) =>
    zstdCompressSync(raw, { params: { [constants.ZSTD_c_compressionLevel]: level } }).length;
  const fast = at(1);
  return fast >= raw.length ? exactly(raw.length) : [Math.floor(0.99 * at(11)), Math.ceil(1.01 * fast)];
}
