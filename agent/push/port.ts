import type { BatchAnswer } from '../../core/format/batch.ts';

export type ObjectKind = 'packs' | 'segments' | 'placements' | 'layers';

/** Segments that became durable together, as their current versions. Ids are hex. */
export interface PushRound {
  /** 0, 1, 2 … within one push. */
  readonly sequence: number;
  readonly segments: readonly { readonly index: number; readonly id: string }[];
  /** On the last round: the layer's id, whose root is stored. */
  readonly layerId?: string;
}

/** Where a push sends a layer: the index, the object store and the rounds of one stream. What resolved is durable. */
export interface PushSink {
  /** Asks the index for a batch of fingerprints, 32 bytes each, back to back. */
  check(fingerprints: Uint8Array): Promise<BatchAnswer>;
  put(kind: ObjectKind, id: string, parts: readonly Uint8Array[]): Promise<'written' | 'present'>;
  /** Tells the index of packs that are stored; `release` is the SHA-256 (hex) of a batch whose claim ends. */
  announce(packs: readonly string[], release?: string): Promise<void>;
  commit(round: PushRound): Promise<void>;
}
