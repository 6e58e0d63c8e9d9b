import type { PackScope } from '../../core/format/placement.ts';

/** Where a pull takes a layer's objects from. Ids are hex. Nothing of what it gives is trusted before it was checked. */
export interface PullSource {
  root(layerId: string): Promise<Uint8Array>;
  segment(id: string): Promise<Uint8Array>;
  placement(segmentId: string): Promise<Uint8Array>;
  /** `length` bytes of a pack from `offset` on, in memory of their own: the pull gives it back when it has read them. */
  range(scope: PackScope, pack: string, offset: number, length: number): Promise<Uint8Array>;
}
