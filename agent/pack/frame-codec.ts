import { promisify } from 'node:util';
import { constants, createZstdCompress, type ZstdOptions, zstdDecompress } from 'node:zlib';
import { LayerMoverError } from '../../core/errors.ts';
import { type Codec, checksumOfHead, decodeFrame, encodeFrameHead, type Frame } from '../../core/format/frame.ts';
import { limits } from '../../core/limits.ts';
import { freeBuffer } from './memory.ts';

const decompress = promisify(zstdDecompress);

/** zstd knows no smaller window. */
const WINDOW_LOG_MIN = 10;
/** A little more room than the output needs lets one pass see the end of the stream. */
const OUTPUT_SLACK_BYTES = 64;

/** A frame as it lies in a pack: head and payload, back to back. */
export interface SealedFrame {
  readonly head: Uint8Array;
  /** The raw bytes themselves if they are stored as they are, otherwise memory of its own. */
  readonly payload: Uint8Array;
  readonly checksum: Uint8Array;
}

/**
 * Compresses `raw` (1 byte to 16 MiB) in the libuv pool; what does not shrink is stored as it is. `raw` must not change
 * before the frame was used. `level` is zstd's, 1 … 22.
 */
export async function sealFrame(raw: Uint8Array, level: number): Promise<SealedFrame> {
  const window = Math.min(limits.frame_window_log, Math.max(WINDOW_LOG_MIN, Math.ceil(Math.log2(raw.length))));
  const shrunk = await compressAtOnce(raw, {
    chunkSize: compressBound(raw.length),
    params: { [constants.ZSTD_c_compressionLevel]: level, [constants.ZSTD_c_windowLog]: window },
  });
  const isSmaller = shrunk.length < raw.length;
  if (!isSmaller) freeBuffer(shrunk);
  const codec: Codec = isSmaller ? 'zstd' : 'stored';
  const payload = isSmaller ? shrunk : raw;
  const windowLog = isSmaller ? window : 0;
  const head = encodeFrameHead({ codec, windowLog, rawBytes: raw.length, prefix: [], payload });
  return { head, payload, checksum: checksumOfHead(head) };
}

/** The most that zstd makes of `length` bytes. */
function compressBound(length: number): number {
  return length + (length >> 8) + OUTPUT_SLACK_BYTES;
}

/**
 * Has zstd see from the start that this is all. With room for the whole output it then works in one pass and copies
 * nothing to a window of its own, which saves a fifth of the time and the window's memory, here and at the reader.
 * zlib's own one-shot function announces the end too late for that.
 */
function compressAtOnce(raw: Uint8Array, options: ZstdOptions): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const stream = createZstdCompress({ ...options, flush: constants.ZSTD_e_end });
    const parts: Buffer[] = [];
    stream.on('data', (part: Buffer) => parts.push(part)).on('error', reject);
    stream.write(raw, () => {
      // Ending it would append an empty frame.
      stream.destroy();
      resolve(parts.length === 1 ? parts[0]! : Buffer.concat(parts));
    });
  });
}

/**
 * The raw bytes of a whole frame. Its checksum is compared first; output and window are bounded by what the head says,
 * which the format bounds. Whether the chunks in it are the right ones only their fingerprints tell.
 * Errors: FRAME_CORRUPT, FORMAT_REFUSED, FORMAT_VERSION, PREFIX_UNSUPPORTED.
 */
export async function openFrame(bytes: Uint8Array): Promise<Uint8Array> {
  const frame = decodeFrame(bytes);
  if (frame.prefix.length > 0) {
    throw new LayerMoverError('PREFIX_UNSUPPORTED', 'a frame needs other chunks to be decompressed', {
      hint: 'a newer LayerMover wrote it; upgrade this one',
    });
  }
  const raw = frame.codec === 'stored' ? frame.payload : await inflate(frame);
  if (raw.length !== frame.rawBytes) throw corrupt(`holds ${raw.length} bytes instead of ${frame.rawBytes}`);
  return raw;
}

async function inflate({ payload, rawBytes, windowLog }: Frame): Promise<Uint8Array> {
  if (rawBytes === 0 || windowLog < WINDOW_LOG_MIN) throw corrupt('has a head that no writer makes');
  try {
    return await decompress(payload, {
      chunkSize: rawBytes + OUTPUT_SLACK_BYTES,
      maxOutputLength: rawBytes,
      params: { [constants.ZSTD_d_windowLogMax]: windowLog },
    });
  } catch (cause) {
    throw corrupt('does not decompress', cause);
  }
}

function corrupt(what: string, cause?: unknown): LayerMoverError {
  return new LayerMoverError('FRAME_CORRUPT', `a pack frame ${what}`, {
    hint: 'the object store or the way to it changed bytes; the transfer is retried, the disk was not touched',
    cause,
  });
}
