import { LayerMoverError } from '../../core/errors.ts';

/** Incompatible feature bits: qcow2 specification, "Header", bytes 72 to 79. */
export const COMPRESSION_TYPE_BIT = 3n;

const REFUSED: readonly (readonly [bit: bigint, code: string, what: string, hint: string])[] = [
  [0n, 'QCOW2_DIRTY', 'was not closed cleanly', 'run qemu-img check -r all on it'],
  [1n, 'QCOW2_CORRUPT', 'is marked as corrupt', 'run qemu-img check -r all on it, or restore it from a copy'],
  [2n, 'QCOW2_EXTERNAL_DATA', 'keeps its data in another file', 'convert it: qemu-img convert -O qcow2'],
  [4n, 'QCOW2_EXTENDED_L2', 'uses extended L2 entries', 'convert it: qemu-img convert -O qcow2 -o extended_l2=off'],
];

/** Refuses an image with an incompatible feature other than the compression type, each with a code of its own. */
export function checkFeatures(path: string, features: bigint): void {
  for (const [bit, code, what, hint] of REFUSED) {
    if (features & (1n << bit)) throw new LayerMoverError(code, `${path} ${what}`, { hint, data: { path } });
  }
  const unknown = features & ~(1n << COMPRESSION_TYPE_BIT);
  if (unknown !== 0n) {
    throw new LayerMoverError('QCOW2_FEATURE_UNKNOWN', `${path} uses qcow2 features that are not known here`, {
      hint: 'convert it with the qemu-img that made it: qemu-img convert -O qcow2 -o compat=1.1',
      data: { path, features: `0x${unknown.toString(16)}` },
    });
  }
}
