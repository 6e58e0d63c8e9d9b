import { DIGEST_BYTES } from '../fingerprint.ts';
import { limits } from '../limits.ts';
import { ByteReader, ByteWriter, refuse } from './bytes.ts';
import { FRAME_PLACE_BYTES, type FramePlace, readFramePlace, writeFramePlace } from './placement.ts';

/** What the index says of one fingerprint of a batch. */
export type Answer =
  | { readonly status: 'missing' }
  | { readonly status: 'claimed' }
  | { readonly status: 'have'; readonly frame: number; readonly rawOffset: number };

export interface BatchAnswer {
  readonly answers: readonly Answer[];
  readonly frames: readonly FramePlace[];
  /** When the other agent's claim ends, ms since 1970; 0 if nothing is claimed. */
  readonly claimedUntilMs: number;
}

/** The question's bytes: `fingerprints` is 32 bytes each, back to back (docs/FORMAT.md, fingerprint batch). */
export function encodeQuestion(fingerprints: Uint8Array): Buffer {
  const count = fingerprints.length / DIGEST_BYTES;
  return new ByteWriter(12 + fingerprints.length).header('LMFQ').reserved(3).u32(count).put(fingerprints).bytes;
}

/** Reads a question and gives its fingerprints, 32 bytes each, back to back. */
export function decodeQuestion(bytes: Uint8Array): Buffer {
  const reader = new ByteReader('fingerprint batch', bytes);
  reader.header('LMFQ');
  reader.reserved(3);
  const count = reader.u32();
  if (count < 1 || count > limits.batch_fingerprints_max)
    throw refuse('fingerprint batch', `holds ${count} fingerprints`);
  const fingerprints = reader.take(count * DIGEST_BYTES);
  reader.end();
  return fingerprints;
}

const STATUS = { missing: 0, have: 1, claimed: 2 } as const;

export function encodeAnswer(answer: BatchAnswer): Buffer {
  const size = 24 + FRAME_PLACE_BYTES * answer.frames.length + 9 * answer.answers.length;
  const writer = new ByteWriter(size).header('LMFA').reserved(3);
  writer.u32(answer.answers.length).u32(answer.frames.length).u64(answer.claimedUntilMs);
  for (const frame of answer.frames) writeFramePlace(writer, frame);
  for (const each of answer.answers) {
    writer.u8(STATUS[each.status]);
    if (each.status === 'have') writer.u32(each.frame).u32(each.rawOffset);
    else writer.reserved(8);
  }
  return writer.bytes;
}

export function decodeAnswer(bytes: Uint8Array): BatchAnswer {
  const reader = new ByteReader('fingerprint answer', bytes);
  reader.header('LMFA');
  reader.reserved(3);
  const count = reader.u32();
  const frameCount = reader.u32();
  if (count > limits.batch_fingerprints_max || frameCount > count) throw refuse('fingerprint answer', 'is too large');
  const claimedUntilMs = reader.u64();
  const frames = Array.from({ length: frameCount }, () => readFramePlace(reader, 'fingerprint answer'));
  const answers = Array.from({ length: count }, () => readAnswer(reader, frames));
  reader.end();
  return { answers, frames, claimedUntilMs };
}

function readAnswer(reader: ByteReader, frames: readonly FramePlace[]): Answer {
  const status = reader.u8();
  if (status === STATUS.missing || status === STATUS.claimed) {
    reader.reserved(8);
    return { status: status === STATUS.missing ? 'missing' : 'claimed' };
  }
  if (status !== STATUS.have) throw refuse('fingerprint answer', `has status ${status}`);
  const frame = reader.u32();
  const rawOffset = reader.u32();
  if (frame >= frames.length || rawOffset >= frames[frame]!.rawBytes)
    throw refuse('fingerprint answer', 'points outside its frames');
  return { status: 'have', frame, rawOffset };
}
