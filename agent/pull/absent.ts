import { MEND_HINT } from '../../core/damage.ts';
import { hasCode, LayerMoverError } from '../../core/errors.ts';

/** What is fetched: of which layer, and from which of its chunks on. */
export interface Fetched {
  readonly what: 'root' | 'segment' | 'placement' | 'pack';
  readonly layer: string;
  readonly chunk?: number;
}

/**
 * Fetches an object; one that is not there, or larger than it may be, is told of by layer and chunk. Errors:
 * OBJECT_MISSING, MANIFEST_CORRUPT, PLACEMENT_CORRUPT and those of the source.
 */
export async function fetchNamed<T>({ what, layer, chunk }: Fetched, fetch: () => Promise<T>): Promise<T> {
  try {
    return await fetch();
  } catch (cause) {
    if (!hasCode(cause, 'OBJECT_MISSING', 'OBJECT_TOO_LARGE')) throw cause;
    const isMissing = cause.code === 'OBJECT_MISSING';
    const corrupt = what === 'placement' ? 'PLACEMENT_CORRUPT' : 'MANIFEST_CORRUPT';
    const from = chunk === undefined ? '' : `, for chunk ${chunk},`;
    const why = isMissing ? 'is not in the store' : 'is larger than it can be';
    throw new LayerMoverError(isMissing ? 'OBJECT_MISSING' : corrupt, `a ${what} of layer ${layer}${from} ${why}`, {
      hint: MEND_HINT,
      data: { layer, ...(chunk === undefined ? {} : { chunk }), ...cause.data },
      cause,
    });
  }
}
