import { toHex } from '../../core/fingerprint.ts';
import type { PackScope } from '../../core/format/placement.ts';
import { limits } from '../../core/limits.ts';
import type { WantedFrame } from './plan.ts';

/** Bytes of one pack that are fetched with one request, for the frames in them. */
export interface PackRange {
  readonly scope: PackScope;
  /** Hex. */
  readonly pack: string;
  readonly offset: number;
  length: number;
  readonly frames: WantedFrame[];
}

/**
 * Joins frames that lie near each other in a pack, as long as a request stays within what one frame may have. What lies
 * between two frames is cheaper to fetch than another request, up to `pull_gap_bytes`.
 */
export function rangesOf(frames: readonly WantedFrame[]): PackRange[] {
  const packs = Map.groupBy(frames, ({ place }) => `${place.scope} ${toHex(place.pack)}`);
  return [...packs.values()].flatMap(joined);
}

function joined(frames: WantedFrame[]): PackRange[] {
  const ranges: PackRange[] = [];
  for (const frame of frames.sort((a, b) => a.place.offset - b.place.offset)) {
    const { scope, pack, offset, frameBytes } = frame.place;
    const last = ranges.at(-1);
    const gap = last === undefined ? Number.POSITIVE_INFINITY : offset - (last.offset + last.length);
    const length = last === undefined ? 0 : offset + frameBytes - last.offset;
    if (last !== undefined && gap >= 0 && gap <= limits.pull_gap_bytes && length <= limits.frame_raw_bytes_max) {
      last.length = length;
      last.frames.push(frame);
    } else {
      ranges.push({ scope, pack: toHex(pack), offset, length: frameBytes, frames: [frame] });
    }
  }
  return ranges;
}
