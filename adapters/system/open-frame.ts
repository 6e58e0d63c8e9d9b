import { LayerMoverError } from '../../core/errors.ts';
import { decodeFrame, type Frame } from '../../core/format/frame.ts';
import { threadedZstd, type Zstd } from './zstd.ts';

/** zstd knows no smaller window. */
export const WINDOW_LOG_MIN = 10;

/**
 * The raw bytes of a whole frame. Its checksum is compared first; output and window are bounded by what the head says,
 * which the format bounds. Whether the chunks in it are the right ones only their fingerprints tell.
 * Errors: FRAME_CORRUPT, FORMAT_REFUSED, FORMAT_VERSION, PREFIX_UNSUPPORTED.
 */
export async function openFrame(bytes: Uint8Array, zstd = threadedZstd): Promise<Uint8Array> {
  const frame = decodeFrame(bytes);
  if (frame.prefix.length > 0) {
    throw new LayerMoverError('PREFIX_UNSUPPORTED', 'a frame needs other chunks to be decompressed', {
      hint: 'a newer LayerMover wrote it; upgrade this one',
    });
  }
  const raw = frame.codec === 'stored' ? frame.payload : await inflate(zstd, frame);
  if (raw.length !== frame.rawBytes) throw corrupt(`holds ${raw.length} bytes instead of ${frame.rawBytes}`);
  return raw;
}

async function inflate(zstd: Zstd, { payload, rawBytes, windowLog }: Frame): Promise<Uint8Array> {
  if (rawBytes === 0 || windowLog < WINDOW_LOG_MIN) throw corrupt('has a head that no writer makes');
  try {
    return await zstd.decompress(payload, { rawBytes, windowLog });
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
