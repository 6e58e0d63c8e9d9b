import { CHECKSUM_BYTES, checksum } from '../checksum.ts';
import { LayerMoverError } from '../errors.ts';
import { DIGEST_BYTES } from '../fingerprint.ts';
import { limits } from '../limits.ts';
import { ByteReader, ByteWriter, refuse } from './bytes.ts';

/** Whose packs a frame lies in: the namespace's, or the migration's own (direct). */
export type PackScope = 'namespace' | 'migration';
const SCOPES: readonly PackScope[] = ['namespace', 'migration'];

/** One frame somewhere in the object store. */
export interface FramePlace {
  readonly scope: PackScope;
  readonly pack: Uint8Array;
  /** Bytes from the pack's start. */
  readonly offset: number;
  readonly frameBytes: number;
  readonly rawBytes: number;
}
export const FRAME_PLACE_BYTES = 1 + DIGEST_BYTES + 8 + 4 + 4;

/** Chunks of a segment that lie back to back in a decompressed frame. */
export interface Run {
  /** First chunk, counted within the segment. */
  readonly chunk: number;
  readonly count: number;
  /** Which of the placement's frames. */
  readonly frame: number;
  /** Where the first chunk begins in the decompressed frame, in bytes. */
  readonly rawOffset: number;
}

export interface Placement {
  readonly frames: readonly FramePlace[];
  /** Ascending by chunk. */
  readonly runs: readonly Run[];
}

export function writeFramePlace(writer: ByteWriter, place: FramePlace): void {
  writer.u8(SCOPES.indexOf(place.scope)).put(place.pack).u64(place.offset).u32(place.frameBytes).u32(place.rawBytes);
}

export function readFramePlace(reader: ByteReader, format: string): FramePlace {
  const scope = SCOPES[reader.u8()];
  if (scope === undefined) throw refuse(format, 'names an unknown pack scope');
  const pack = Buffer.from(reader.take(DIGEST_BYTES));
  return { scope, pack, offset: reader.u64(), frameBytes: reader.u32(), rawBytes: reader.u32() };
}

/** The placement's canonical bytes (docs/FORMAT.md, placement). */
export function encodePlacement(placement: Placement): Buffer {
  const size = 16 + FRAME_PLACE_BYTES * placement.frames.length + 12 * placement.runs.length + CHECKSUM_BYTES;
  const writer = new ByteWriter(size)
    .header('LMPL')
    .reserved(3)
    .u32(placement.frames.length)
    .u32(placement.runs.length);
  for (const frame of placement.frames) writeFramePlace(writer, frame);
  for (const run of placement.runs) writer.u16(run.chunk).u16(run.count).u32(run.frame).u32(run.rawOffset);
  return writer.put(checksum(writer.bytes.subarray(0, size - CHECKSUM_BYTES))).bytes;
}

/** Reads a placement; refuses one that is corrupt, out of order or points outside itself. */
export function decodePlacement(bytes: Uint8Array): Placement {
  if (bytes.length > limits.placement_bytes_max) throw refuse('placement', `has ${bytes.length} bytes`);
  const body = bytes.subarray(0, -CHECKSUM_BYTES);
  if (!checksum(body).equals(bytes.subarray(-CHECKSUM_BYTES)))
    throw new LayerMoverError('PLACEMENT_CORRUPT', 'a placement differs from its checksum');
  const reader = new ByteReader('placement', body);
  reader.header('LMPL');
  reader.reserved(3);
  const frameCount = reader.u32();
  const runCount = reader.u32();
  if (Math.max(frameCount, runCount) > limits.segment_chunks) throw refuse('placement', 'lists more runs than chunks');
  const frames = Array.from({ length: frameCount }, () => readFramePlace(reader, 'placement'));
  const runs = Array.from({ length: runCount }, () => ({
    chunk: reader.u16(),
    count: reader.u16(),
    frame: reader.u32(),
    rawOffset: reader.u32(),
  }));
  reader.end();
  assertRuns(frames, runs);
  return { frames, runs };
}

function assertRuns(frames: readonly FramePlace[], runs: readonly Run[]): void {
  let next = 0;
  for (const run of runs) {
    if (run.chunk < next || run.count < 1) throw refuse('placement', 'lists runs that overlap or are out of order');
    next = run.chunk + run.count;
    const frame = frames[run.frame];
    if (frame === undefined || run.rawOffset >= frame.rawBytes) throw refuse('placement', 'points outside its frames');
  }
  if (next > limits.segment_chunks) throw refuse('placement', 'points past its segment');
}
