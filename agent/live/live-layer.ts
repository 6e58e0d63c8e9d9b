import type { Extent } from '../../core/extent.ts';
import type { NbdClient } from '../nbd/client.ts';
import { type StatusExtent, statusExtents } from '../nbd/extents.ts';
import { ALLOCATION_DEPTH, BASE_ALLOCATION, DIRTY_FLAG, dirtyBitmap, ZERO_FLAG } from '../nbd/wire.ts';
import type { Fill } from '../scan/pool.ts';
import type { Mapped } from '../scan/requests.ts';

/** Which blocks a round copies: all that the top layer holds, or those that a bitmap has. */
export type Which = { readonly kind: 'all' } | { readonly kind: 'dirty'; readonly bitmap: string };

/** The contexts that tell. */
export function contextsOf(which: Which): [allocation: string, choice: string] {
  return [BASE_ALLOCATION, which.kind === 'all' ? ALLOCATION_DEPTH : dirtyBitmap(which.bitmap)];
}

/** What a running VM's top layer holds, or has come to hold, over a connection that is read while the guest writes. */
export interface LiveLayer extends Mapped {
  extents(): AsyncGenerator<Extent>;
  /** Undefined if threads find the bytes by the pieces. */
  readonly fill?: Fill | undefined;
  /** Bytes of the extents that were given and are not absent. */
  readonly touchedBytes: number;
}

/**
 * The layer as an export tells of it. Depth 1 is the top layer's own; what is deeper shows through. A block that was written
 * and reads as zeros is zero whatever lies below. Errors: those of NbdClient; the connection is ended by them.
 */
export function liveLayer(client: NbdClient, which: Which, signal: AbortSignal): LiveLayer {
  let touchedBytes = 0;
  return {
    async *extents() {
      for await (const status of statusExtents(client, contextsOf(which), signal)) {
        const extent = extentOf(status, which);
        if (extent.state !== 'absent') touchedBytes += extent.length;
        yield extent;
      }
    },
    async pieces(offset, length) {
      return [{ at: offset, length, kind: 'filled' }];
    },
    async fill(spans, bytes) {
      const reads: Promise<void>[] = [];
      let at = 0;
      for (const { offset, length } of spans) {
        reads.push(client.read(offset, bytes.subarray(at, at + length), signal));
        at += length;
      }
      try {
        await Promise.all(reads);
      } catch (error) {
        // The buffer is given back after this: no answer may still come into it.
        client.close();
        throw error;
      }
    },
    get touchedBytes() {
      return touchedBytes;
    },
  };
}

function extentOf({ offset, length, flags }: StatusExtent, which: Which): Extent {
  const [allocation, choice] = flags as [number, number];
  const isChosen = which.kind === 'all' ? choice === 1 : (choice & DIRTY_FLAG) !== 0;
  const state = !isChosen ? 'absent' : (allocation & ZERO_FLAG) !== 0 ? 'zero' : 'data';
  return { offset, length, state };
}
