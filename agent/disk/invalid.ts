import { LayerMoverError } from '../../core/errors.ts';

/** What the specification forbids, found in the image at `path`. */
export function invalidImage(path: string, what: string, cause?: unknown): LayerMoverError {
  return new LayerMoverError('QCOW2_INVALID', `${path} is no valid qcow2 image: ${what}`, {
    hint: 'run qemu-img check on it; restore it from a copy if it is damaged',
    data: { path },
    cause,
  });
}

/** Two things in one place of the image at `path`, of which one is metadata. */
export function overlap(path: string, what: string): LayerMoverError {
  return new LayerMoverError('QCOW2_OVERLAP', `${path} is damaged: ${what}`, {
    hint: 'restore it from a copy; qemu-img check tells what is damaged',
    data: { path },
  });
}

/** A name in a header. Errors: QCOW2_INVALID. */
export function utf8(path: string, bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw invalidImage(path, 'a name in its header is not UTF-8', cause);
  }
}
