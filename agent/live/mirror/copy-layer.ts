import type { LiveLayer } from '../live-layer.ts';
import type { LocalCopy } from './local-copy.ts';

/** What a round takes of a copy: these segments, each as it is when it is asked for. Errors: those of `segments`. */
export function copyLayer(copy: LocalCopy, segments: AsyncIterable<number> | Iterable<number>): LiveLayer {
  let touchedBytes = 0;
  return {
    async *extents() {
      for await (const segment of segments) {
        for (const extent of copy.take(segment)) {
          touchedBytes += extent.length;
          yield extent;
        }
      }
    },
    pieces: async (offset, length) => copy.pieces(offset, length),
    get touchedBytes() {
      return touchedBytes;
    },
  };
}
