import { LayerMoverError } from '../../core/errors.ts';
import type { HostFile } from './host-file.ts';
import { invalidImage } from './invalid.ts';
import { diskLimits } from './limits.ts';

export const QCOW2_MAGIC = 0x514649fb;
export const V2_HEADER_BYTES = 72;
export const V3_HEADER_BYTES = 104;

/** The first cluster of an image, in which its whole header must be. */
export interface HeaderStart {
  readonly version: 2 | 3;
  readonly clusterBits: number;
  readonly area: Buffer;
}

/** Errors: QCOW2_VERSION_UNSUPPORTED, QCOW2_INVALID. Source: qcow2 specification, "Header". */
export async function readStart(file: HostFile, fileBytes: number): Promise<HeaderStart> {
  const { path } = file;
  const start = Buffer.alloc(V3_HEADER_BYTES);
  if ((await file.read(start, 0)) < V2_HEADER_BYTES) throw invalidImage(path, 'its header is cut short');
  const version = start.readUInt32BE(4);
  if (version !== 2 && version !== 3) {
    throw new LayerMoverError('QCOW2_VERSION_UNSUPPORTED', `${path} has qcow2 version ${version}`, {
      hint: 'convert it: qemu-img convert -O qcow2',
      data: { path, version },
    });
  }
  const clusterBits = start.readUInt32BE(20);
  if (clusterBits < diskLimits.cluster_bits_min || clusterBits > diskLimits.cluster_bits_max) {
    throw invalidImage(path, `its cluster size is 2^${clusterBits} bytes`);
  }
  const area = Buffer.alloc(Math.min(2 ** clusterBits, fileBytes));
  await file.read(area, 0);
  if (version === 3 && area.length < V3_HEADER_BYTES) throw invalidImage(path, 'its header is cut short');
  return { version, clusterBits, area };
}

/** Bytes of the fields, after which the extensions come. Errors: QCOW2_INVALID. */
export function headerBytesOf(path: string, { version, area }: HeaderStart): number {
  if (version === 2) return V2_HEADER_BYTES;
  const headerBytes = area.readUInt32BE(100);
  if (headerBytes >= V3_HEADER_BYTES && headerBytes % 8 === 0 && headerBytes <= area.length) return headerBytes;
  throw invalidImage(path, `its header length is ${headerBytes}`);
}

/** A number of 64 bits that must be one of JavaScript's. Errors: QCOW2_INVALID. */
export function numberAt(path: string, area: Buffer, offset: number, name: string): number {
  const value = area.readBigUInt64BE(offset);
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw invalidImage(path, `the number of its ${name} is too large`);
  return Number(value);
}
