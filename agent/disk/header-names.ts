import { type Extensions, readExtensions } from './extensions.ts';
import { EXTERNAL_DATA } from './features.ts';
import { type HeaderStart, headerBytesOf, numberAt, readStart } from './header-start.ts';
import type { HostFile } from './host-file.ts';
import { invalidImage, utf8 } from './invalid.ts';
import { diskLimits } from './limits.ts';

/** A backing file as its overlay names it; without a format its content decides. */
export interface Backing {
  readonly name: string;
  readonly format: string | undefined;
}

/** The backing name, and the extensions that come before it. Errors: QCOW2_INVALID. */
export function namesOf(path: string, start: HeaderStart): { backing: Backing | undefined; extensions: Extensions } {
  const { area } = start;
  const headerBytes = headerBytesOf(path, start);
  const offset = numberAt(path, area, 8, 'backing name');
  const length = area.readUInt32BE(16);
  const extensions = readExtensions(path, area.subarray(0, offset || area.length), headerBytes);
  if (offset === 0) return { backing: undefined, extensions };
  if (length > diskLimits.backing_name_bytes_max || offset < headerBytes || offset + length > area.length) {
    throw invalidImage(path, 'its backing name is too long or not within the first cluster');
  }
  const name = utf8(path, area.subarray(offset, offset + length));
  return { backing: name === '' ? undefined : { name, format: extensions.backingFormat }, extensions };
}

/**
 * The files that an image names, whatever else it is: one that can't be read, such as that of a running VM, still has
 * its base. Errors: QCOW2_VERSION_UNSUPPORTED, QCOW2_INVALID.
 */
export async function readNames(
  file: HostFile,
  fileBytes: number,
): Promise<{ backing: Backing | undefined; dataFile: string | undefined }> {
  const start = await readStart(file, fileBytes);
  const { backing, extensions } = namesOf(file.path, start);
  const external = start.version === 3 && (start.area.readBigUInt64BE(72) & EXTERNAL_DATA) !== 0n;
  return { backing, dataFile: external ? extensions.dataFile : undefined };
}
