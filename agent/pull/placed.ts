import { chunkLength, type Geometry } from '../../core/chunk.ts';
import { MEND_HINT } from '../../core/damage.ts';
import { hasCode, LayerMoverError } from '../../core/errors.ts';
import { FRAME_BYTES_MAX, FRAME_HEADER_BYTES } from '../../core/format/frame.ts';
import { decodePlacement, type FramePlace, type Placement } from '../../core/format/placement.ts';
import { DATA, type Segment } from '../../core/format/segment.ts';
import { limits } from '../../core/limits.ts';

/** Where one chunk, by its number within the segment, lies. */
interface PlacedChunk {
  readonly chunk: number;
  readonly frame: FramePlace;
  readonly rawOffset: number;
}

/** A placement's chunks, ascending. */
export function* placedChunks({ frames, runs }: Placement, chunkBytes: number): Generator<PlacedChunk> {
  for (const run of runs) {
    for (let at = 0; at < run.count; at++) {
      yield { chunk: run.chunk + at, frame: frames[run.frame]!, rawOffset: run.rawOffset + at * chunkBytes };
    }
  }
}

/**
 * Reads the placement of a segment whose first chunk has the number `first` in the layer. It must place every data
 * chunk, each within a frame of allowed size. Errors: PLACEMENT_CORRUPT, FORMAT_VERSION.
 */
export function openPlacement(
  bytes: Uint8Array,
  of: { layer: string; geometry: Geometry; first: number; segment: Segment },
): Placement {
  const { layer, geometry, first, segment } = of;
  const placement = decode(bytes, layer, first);
  for (const { frameBytes, rawBytes } of placement.frames) {
    const tooLarge = frameBytes > FRAME_BYTES_MAX || rawBytes > limits.frame_raw_bytes_max;
    if (tooLarge || frameBytes < FRAME_HEADER_BYTES) throw corrupt(layer, 'names a frame that cannot be', first);
  }
  let placed = 0;
  for (const { chunk, frame, rawOffset } of placedChunks(placement, geometry.chunkBytes)) {
    if (segment.states[chunk] !== DATA) throw corrupt(layer, 'places a chunk that has no data', first + chunk);
    const end = rawOffset + chunkLength(geometry, first + chunk);
    if (end > frame.rawBytes) throw corrupt(layer, 'places a chunk outside its frame', first + chunk);
    placed++;
  }
  if (placed !== segment.count(DATA)) throw corrupt(layer, 'leaves chunks out', first);
  return placement;
}

function decode(bytes: Uint8Array, layer: string, first: number): Placement {
  try {
    return decodePlacement(bytes);
  } catch (cause) {
    if (!hasCode(cause, 'PLACEMENT_CORRUPT', 'FORMAT_REFUSED')) throw cause;
    throw corrupt(layer, 'is damaged', first, cause);
  }
}

function corrupt(layer: string, what: string, chunk: number, cause?: unknown): LayerMoverError {
  return new LayerMoverError('PLACEMENT_CORRUPT', `a placement of layer ${layer} ${what}, at chunk ${chunk}`, {
    hint: `the object store or the way to it changed bytes; ${MEND_HINT}`,
    data: { layer, chunk },
    cause,
  });
}
