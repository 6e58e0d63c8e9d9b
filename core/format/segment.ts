import { DIGEST_BYTES, NO_DIGEST, sha256 } from '../fingerprint.ts';
import { limits } from '../limits.ts';
import { ByteReader, ByteWriter, refuse } from './bytes.ts';

/** State codes of chunks as they lie in a segment. */
export const ABSENT = 0;
export const ZERO = 1;
export const DATA = 2;

/**
 * Up to 4,096 consecutive chunks of a layer, open for change: one state code a chunk, one 32-byte slot a chunk in
 * `fingerprints` (meaningful for data chunks only). 136 KiB at the most.
 */
export class Segment {
  readonly states: Uint8Array;
  readonly fingerprints: Uint8Array;

  constructor(chunks: number) {
    this.states = new Uint8Array(chunks);
    this.fingerprints = new Uint8Array(chunks * DIGEST_BYTES);
  }

  get chunks(): number {
    return this.states.length;
  }

  get isEmpty(): boolean {
    return this.states.every((state) => state === ABSENT);
  }

  fingerprint(chunk: number): Uint8Array {
    return this.fingerprints.subarray(chunk * DIGEST_BYTES, (chunk + 1) * DIGEST_BYTES);
  }

  setAbsent(chunk: number): void {
    this.states[chunk] = ABSENT;
  }

  setZero(chunk: number): void {
    this.states[chunk] = ZERO;
  }

  setData(chunk: number, fingerprint: Uint8Array): void {
    this.states[chunk] = DATA;
    this.fingerprints.set(fingerprint, chunk * DIGEST_BYTES);
  }

  count(state: number): number {
    return this.states.reduce((sum, each) => sum + (each === state ? 1 : 0), 0);
  }
}

/** The segment's canonical bytes (docs/FORMAT.md, segment). */
export function encodeSegment(segment: Segment): Buffer {
  const stateBytes = Math.ceil(segment.chunks / 4);
  const writer = new ByteWriter(8 + stateBytes + DIGEST_BYTES * segment.count(DATA));
  writer.header('LMSG').reserved(1).u16(segment.chunks);
  const packed = new Uint8Array(stateBytes);
  segment.states.forEach((state, chunk) => {
    packed[chunk >> 2]! |= state << ((chunk & 3) * 2);
  });
  writer.put(packed);
  segment.states.forEach((state, chunk) => {
    if (state === DATA) writer.put(segment.fingerprint(chunk));
  });
  return writer.bytes;
}

/** Reads a segment; refuses whatever is not canonical. */
export function decodeSegment(bytes: Uint8Array): Segment {
  const reader = new ByteReader('segment', bytes);
  reader.header('LMSG');
  reader.reserved(1);
  const chunks = reader.u16();
  if (chunks < 1 || chunks > limits.segment_chunks) throw refuse('segment', `holds ${chunks} chunks`);
  const packed = reader.take(Math.ceil(chunks / 4));
  const segment = new Segment(chunks);
  for (let slot = 0; slot < packed.length * 4; slot++) {
    const state = (packed[slot >> 2]! >> ((slot & 3) * 2)) & 3;
    if (state > DATA || (slot >= chunks && state !== ABSENT))
      throw refuse('segment', `has state ${state} at chunk ${slot}`);
    if (state === DATA) segment.setData(slot, reader.take(DIGEST_BYTES));
    else if (state === ZERO) segment.setZero(slot);
  }
  reader.end();
  return segment;
}

/** The segment id: SHA-256 of the canonical bytes; 32 zero bytes if every chunk is absent. */
export function segmentId(segment: Segment, bytes: Uint8Array = encodeSegment(segment)): Buffer {
  return segment.isEmpty ? Buffer.from(NO_DIGEST) : sha256(bytes);
}
