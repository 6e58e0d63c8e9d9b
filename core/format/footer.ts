import { CHECKSUM_BYTES } from '../checksum.ts';
import { DIGEST_BYTES, sha256 } from '../fingerprint.ts';
import { limits } from '../limits.ts';
import { ByteReader, ByteWriter, refuse } from './bytes.ts';

export const TRAILER_BYTES = 16;
const TRAILER_MAGIC = 'LMPACK01';

/** One frame of a pack as its footer lists it. */
export interface FooterFrame {
  /** Bytes from the pack's start. */
  readonly offset: number;
  /** Bytes of the whole frame in the pack, its head included. */
  readonly frameBytes: number;
  readonly rawBytes: number;
  readonly chunks: number;
  readonly checksum: Uint8Array;
}

export interface FooterChunk {
  readonly fingerprint: Uint8Array;
  /** Raw bytes. */
  readonly length: number;
}

export interface Footer {
  readonly frames: readonly FooterFrame[];
  /** In the order in which they lie in the frames. */
  readonly chunks: readonly FooterChunk[];
}

/** The footer's canonical bytes (docs/FORMAT.md, footer). */
export function encodeFooter(footer: Footer): Buffer {
  const writer = new ByteWriter(16 + 36 * (footer.frames.length + footer.chunks.length));
  writer.header('LMFT').reserved(3).u32(footer.frames.length).u32(footer.chunks.length);
  for (const frame of footer.frames) {
    writer.u64(frame.offset).u32(frame.frameBytes).u32(frame.rawBytes).u32(frame.chunks).put(frame.checksum);
  }
  for (const chunk of footer.chunks) writer.put(chunk.fingerprint).u32(chunk.length);
  return writer.bytes;
}

/** Bytes of a chunk in a footer: its fingerprint, then its length. */
export const CHUNK_ENTRY_BYTES = DIGEST_BYTES + 4;

/** A footer whose chunks are left in its bytes: thousands of small objects would take longer to make than to use. */
export interface OpenFooter {
  readonly frames: readonly FooterFrame[];
  readonly chunkCount: number;
  /** CHUNK_ENTRY_BYTES a chunk, in the order in which they lie in the frames; a part of the bytes that were read. */
  readonly entries: Buffer;
}

/** Reads a footer; refuses one whose frames have gaps or whose chunks don't fill them exactly. */
export function openFooter(bytes: Uint8Array): OpenFooter {
  const reader = new ByteReader('footer', bytes);
  reader.header('LMFT');
  reader.reserved(3);
  const frameCount = reader.u32();
  const chunkCount = reader.u32();
  if (frameCount < 1 || frameCount > limits.pack_frames_max) throw refuse('footer', `lists ${frameCount} frames`);
  if (chunkCount < 1 || chunkCount > limits.pack_chunks_max) throw refuse('footer', `lists ${chunkCount} chunks`);
  const frames = Array.from({ length: frameCount }, () => ({
    offset: reader.u64(),
    frameBytes: reader.u32(),
    rawBytes: reader.u32(),
    chunks: reader.u32(),
    checksum: reader.take(CHECKSUM_BYTES),
  }));
  const footer = { frames, chunkCount, entries: reader.take(chunkCount * CHUNK_ENTRY_BYTES) };
  reader.end();
  assertFilled(footer);
  return footer;
}

/** Raw bytes of a chunk by its number in the pack. */
export function lengthAt({ entries }: OpenFooter, chunk: number): number {
  return entries.readUInt32BE(chunk * CHUNK_ENTRY_BYTES + DIGEST_BYTES);
}

/** Reads a footer with an object for each chunk. Errors: those of openFooter. */
export function decodeFooter(bytes: Uint8Array): Footer {
  return withChunks(openFooter(bytes));
}

export function withChunks(footer: OpenFooter): Footer {
  const chunks = Array.from({ length: footer.chunkCount }, (_, chunk) => {
    const at = chunk * CHUNK_ENTRY_BYTES;
    return { fingerprint: footer.entries.subarray(at, at + DIGEST_BYTES), length: lengthAt(footer, chunk) };
  });
  return { frames: footer.frames, chunks };
}

function assertFilled(footer: OpenFooter): void {
  let offset = 0;
  let next = 0;
  for (const frame of footer.frames) {
    if (frame.offset !== offset) throw refuse('footer', 'lists frames with gaps');
    offset += frame.frameBytes;
    const end = next + frame.chunks;
    if (end > footer.chunkCount) throw refuse('footer', 'lists chunks that do not fill their frame');
    let raw = 0;
    for (; next < end; next++) raw += lengthAt(footer, next);
    if (raw !== frame.rawBytes) throw refuse('footer', 'lists chunks that do not fill their frame');
  }
  if (next !== footer.chunkCount) throw refuse('footer', 'lists chunks outside its frames');
}

/** The pack id: SHA-256 of the footer's bytes. */
export function packIdOf(footerBytes: Uint8Array): Buffer {
  return sha256(footerBytes);
}

export function encodeTrailer(footerBytes: number): Buffer {
  const trailer = new ByteWriter(TRAILER_BYTES).u32(footerBytes).reserved(4);
  return trailer.put(Buffer.from(TRAILER_MAGIC, 'latin1')).bytes;
}

/** Bytes of the footer that lies before this trailer. */
export function decodeTrailer(bytes: Uint8Array): number {
  const reader = new ByteReader('trailer', bytes);
  const length = reader.u32();
  reader.reserved(4);
  if (reader.take(8).toString('latin1') !== TRAILER_MAGIC)
    throw refuse('trailer', `does not end with ${TRAILER_MAGIC}`);
  reader.end();
  if (length > limits.footer_bytes_max) throw refuse('trailer', `says the footer has ${length} bytes`);
  return length;
}
