import { invalidImage, utf8 } from './invalid.ts';
import { diskLimits } from './limits.ts';

export const BACKING_FORMAT_EXTENSION = 0xe2792aca;
const DATA_FILE_EXTENSION = 0x44415441;
const BITMAPS_EXTENSION = 0x23852875;
const BITMAPS_EXTENSION_BYTES = 24;
const HEAD_BYTES = 8;

/** What the extensions of a header say that a reader needs. */
export interface Extensions {
  readonly backingFormat: string | undefined;
  readonly dataFile: string | undefined;
  /** What it says of the image's persistent bitmaps, undecoded. */
  readonly bitmaps: Buffer | undefined;
}

/**
 * The header extensions in `area`, which starts with the header and ends where the backing name begins or with the first
 * cluster. They end at a zero type or with `area`; unknown ones are passed over. Errors: QCOW2_INVALID.
 * Source: qcow2 specification, "Header extensions".
 */
export function readExtensions(path: string, area: Buffer, headerBytes: number): Extensions {
  let backingFormat: string | undefined;
  let dataFile: string | undefined;
  let bitmaps: Buffer | undefined;
  for (let at = headerBytes; at < area.length; ) {
    if (at + HEAD_BYTES > area.length) throw invalidImage(path, 'a header extension is cut short');
    const type = area.readUInt32BE(at);
    const length = area.readUInt32BE(at + 4);
    at += HEAD_BYTES;
    if (length > area.length - at) throw invalidImage(path, 'a header extension is cut short');
    if (type === 0) break;
    const content = area.subarray(at, at + length);
    if (type === BACKING_FORMAT_EXTENSION) {
      if (length > diskLimits.backing_format_bytes_max) throw invalidImage(path, 'its backing format is too long');
      backingFormat = utf8(path, content);
    } else if (type === DATA_FILE_EXTENSION) {
      dataFile = utf8(path, content);
    } else if (type === BITMAPS_EXTENSION) {
      if (length !== BITMAPS_EXTENSION_BYTES) throw invalidImage(path, 'what it says of its bitmaps is cut short');
      bitmaps = content;
    }
    at += Math.ceil(length / 8) * 8;
  }
  return { backingFormat, dataFile, bitmaps };
}
