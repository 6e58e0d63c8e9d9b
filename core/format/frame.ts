import { CHECKSUM_BYTES, checksum } from '../checksum.ts';
import { LayerMoverError } from '../errors.ts';
import { DIGEST_BYTES } from '../fingerprint.ts';
import { limits } from '../limits.ts';
import { ByteReader, ByteWriter, refuse } from './bytes.ts';

export type Codec = 'stored' | 'zstd';
const CODECS: readonly Codec[] = ['stored', 'zstd'];
const CHECKSUM_AT = 20;
export const FRAME_HEADER_BYTES = CHECKSUM_AT + CHECKSUM_BYTES;
/** No frame is larger than one that is stored as it is. */
export const FRAME_BYTES_MAX =
  limits.frame_raw_bytes_max + FRAME_HEADER_BYTES + DIGEST_BYTES * limits.frame_prefix_chunks_max;

export interface Frame {
  readonly codec: Codec;
  readonly windowLog: number;
  readonly rawBytes: number;
  /** Fingerprints of the chunks whose contents are the decompressor's prefix; empty in this version's writers. */
  readonly prefix: readonly Uint8Array[];
  readonly payload: Uint8Array;
}

/** The frame's head, to be written before its payload: the checksum covers both. */
export function encodeFrameHead(frame: Frame): Buffer {
  const head = new ByteWriter(FRAME_HEADER_BYTES + DIGEST_BYTES * frame.prefix.length)
    .header('LMFR')
    .u8(CODECS.indexOf(frame.codec))
    .u8(frame.windowLog)
    .reserved(1)
    .u32(frame.rawBytes)
    .u32(frame.payload.length)
    .u32(frame.prefix.length)
    .reserved(CHECKSUM_BYTES);
  for (const fingerprint of frame.prefix) head.put(fingerprint);
  const { bytes } = head;
  frameChecksum(bytes, frame.payload).copy(bytes, CHECKSUM_AT);
  return bytes;
}

function frameChecksum(head: Uint8Array, payload?: Uint8Array): Buffer {
  const rest = payload === undefined ? [] : [payload];
  return checksum(head.subarray(0, CHECKSUM_AT), head.subarray(FRAME_HEADER_BYTES), ...rest);
}

/** The checksum that a frame's head carries; the footer repeats it. */
export function checksumOfHead(head: Uint8Array): Uint8Array {
  return head.subarray(CHECKSUM_AT, FRAME_HEADER_BYTES);
}

/**
 * Reads a whole frame and checks its XXH3-128 (FRAME_CORRUPT) before anything in it is believed, its version not
 * excepted: a flipped bit must not pass for a newer format.
 */
export function decodeFrame(bytes: Uint8Array): Frame {
  if (bytes.length < FRAME_HEADER_BYTES) throw refuse('frame', 'is cut short');
  if (!frameChecksum(bytes).equals(checksumOfHead(bytes))) {
    throw new LayerMoverError('FRAME_CORRUPT', 'a pack frame differs from its checksum', {
      hint: 'the object store or the way to it changed bytes; the transfer is retried, the disk was not touched',
    });
  }
  const reader = new ByteReader('frame', bytes);
  reader.header('LMFR');
  const codec = CODECS[reader.u8()];
  const windowLog = reader.u8();
  reader.reserved(1);
  const rawBytes = reader.u32();
  const payloadBytes = reader.u32();
  const prefixes = reader.u32();
  if (codec === undefined) throw refuse('frame', 'names an unknown codec');
  if (windowLog > limits.frame_window_log_max) throw refuse('frame', `wants a window of 2^${windowLog} bytes`);
  if (rawBytes > limits.frame_raw_bytes_max) throw refuse('frame', `says it holds ${rawBytes} bytes`);
  if (prefixes > limits.frame_prefix_chunks_max) throw refuse('frame', `names ${prefixes} prefix chunks`);
  reader.take(CHECKSUM_BYTES);
  const prefix = Array.from({ length: prefixes }, () => reader.take(DIGEST_BYTES));
  const payload = reader.take(payloadBytes);
  reader.end();
  return { codec, windowLog, rawBytes, prefix, payload };
}
