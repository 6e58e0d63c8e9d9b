import { WINDOW_LOG_MIN } from '../../adapters/system/open-frame.ts';
import { threadedZstd } from '../../adapters/system/zstd.ts';
import { type Codec, checksumOfHead, encodeFrameHead } from '../../core/format/frame.ts';
import { limits } from '../../core/limits.ts';
import { freeBuffer } from './memory.ts';
import { mayShrink } from './sample.ts';

/** A frame as it lies in a pack: head and payload, back to back. */
export interface SealedFrame {
  readonly head: Uint8Array;
  /** The raw bytes themselves if they are stored as they are, otherwise memory of its own. */
  readonly payload: Uint8Array;
  readonly checksum: Uint8Array;
}

/**
 * Compresses `raw` (1 byte to 16 MiB); what does not shrink is stored as it is. `raw` must not change
 * before the frame was used. `level` is zstd's, 1 … 22.
 */
export async function sealFrame(raw: Uint8Array, level: number, zstd = threadedZstd): Promise<SealedFrame> {
  const windowLog = Math.min(limits.frame_window_log, Math.max(WINDOW_LOG_MIN, Math.ceil(Math.log2(raw.length))));
  const options = { level, windowLog, hashLog: hashLogOf(level, windowLog) };
  const shrunk = (await mayShrink(raw, zstd)) ? await zstd.compress(raw, options) : undefined;
  if (shrunk !== undefined && shrunk.length < raw.length) return sealed('zstd', windowLog, raw, shrunk);
  if (shrunk !== undefined) freeBuffer(shrunk);
  return sealed('stored', 0, raw, raw);
}

/** The lowest level's own table is half as large; this one gives two bytes in a hundred more in much the same time (docs/adr/0012-level-and-sample.md). */
function hashLogOf(level: number, windowLog: number): number | undefined {
  return level === limits.pack_level_default ? Math.min(limits.pack_hash_log_default, windowLog + 1) : undefined;
}

function sealed(codec: Codec, windowLog: number, raw: Uint8Array, payload: Uint8Array): SealedFrame {
  const head = encodeFrameHead({ codec, windowLog, rawBytes: raw.length, prefix: [], payload });
  return { head, payload, checksum: checksumOfHead(head) };
}
