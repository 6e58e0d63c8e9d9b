import { LayerMoverError } from '../../core/errors.ts';

/** Incompatible feature bits: qcow2 specification, "Header", bytes 72 to 79. */
export const EXTERNAL_DATA = 1n << 2n;
const COMPRESSION_TYPE = 1n << 3n;
const EXTENDED_L2 = 1n << 4n;

/** Autoclear bits, bytes 88 to 95. Who writes to an image and does not know one of them takes it away. */
export const BITMAPS_VALID = 1n << 0n;
/** The external data file is a raw image by itself. Reading goes by the tables all the same. */
export const RAW_EXTERNAL_DATA = 1n << 1n;

const REFUSED: readonly (readonly [bit: bigint, code: string, what: string, hint: string])[] = [
  [0n, 'QCOW2_DIRTY', 'was not closed cleanly', 'run qemu-img check -r all on it'],
  [1n, 'QCOW2_CORRUPT', 'is marked as corrupt', 'run qemu-img check -r all on it, or restore it from a copy'],
];

/** What a reader must know of the incompatible features; refuses those it can't read, each with a code of its own. */
export function readFeatures(path: string, features: bigint) {
  for (const [bit, code, what, hint] of REFUSED) {
    if (features & (1n << bit)) throw new LayerMoverError(code, `${path} ${what}`, { hint, data: { path } });
  }
  const unknown = features & ~(EXTERNAL_DATA | COMPRESSION_TYPE | EXTENDED_L2);
  if (unknown !== 0n) {
    throw new LayerMoverError('QCOW2_FEATURE_UNKNOWN', `${path} uses qcow2 features that are not known here`, {
      hint: 'convert it with the qemu-img that made it: qemu-img convert -O qcow2 -o compat=1.1',
      data: { path, features: `0x${unknown.toString(16)}` },
    });
  }
  const has = (feature: bigint) => (features & feature) !== 0n;
  return {
    externalData: has(EXTERNAL_DATA),
    compressionType: has(COMPRESSION_TYPE),
    extendedL2: has(EXTENDED_L2),
  };
}
