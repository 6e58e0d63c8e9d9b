import type { Zstd } from '../../adapters/system/zstd.ts';
import type { Geometry } from '../../core/chunk.ts';
import type { Clock } from '../../core/ports.ts';
import type { DiskLayer } from '../disk/layer.ts';
import type { ManifestStore } from '../manifests/store.ts';
import type { Pace } from '../pack/pace.ts';
import type { PackWriter } from '../pack/pack-writer.ts';
import type { ChunkPool } from '../scan/pool.ts';
import type { Counter, Progress } from './counts.ts';
import type { Before, Earlier } from './earlier.ts';
import type { Outbox } from './outbox.ts';
import type { PushSink } from './port.ts';
import type { Settler } from './settler.ts';
import type { Underway } from './underway.ts';

/** What every push has: of a layer, or of a round of one. */
export interface PushBase {
  /** The layer's, for messages. */
  readonly name: string;
  /** Raw bytes that the layer is thought to hold, for progress. */
  readonly totalBytes: number;
  readonly pool: ChunkPool;
  readonly sink: PushSink;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Aborts if no more is to be read and packed, but what is on its way to be committed. */
  readonly drain?: AbortSignal | undefined;
  readonly progress?: Progress | undefined;
  /** What the agent's pushes know of their link; a push that is given nothing begins anew. */
  readonly pace?: Pace | undefined;
  /** Set if earlier attempts at this push may have sent some of it. */
  readonly before?: Before | undefined;
  /** The threaded one unless set. */
  readonly zstd?: Zstd | undefined;
  /** What it shares with other pushes of its agent; nothing unless set. */
  readonly outbox?: Pick<Outbox, 'memory' | 'uploads'> | undefined;
  /** What is on its way to the namespace's store, from other pushes, too. */
  readonly underway?: Underway | undefined;
}

interface LayerBase extends PushBase {
  readonly layer: DiskLayer;
  readonly chunkBytes: number;
  readonly manifests: ManifestStore;
  /** Called when all is read and packed: what is left to do keeps no other push waiting. */
  readonly packed?: (() => void) | undefined;
}

/** A layer whose manifest is in the manifest store: chunks that the index has are neither read nor sent. */
export interface DedupJob extends LayerBase {
  readonly treatment: 'dedup';
  /** Hex. */
  readonly layerId: string;
}

/** A layer that goes as it is, with no look-ups; its manifest is made along the way. */
export interface DirectJob extends LayerBase {
  readonly treatment: 'direct';
  /** Layer id of the layer below; 32 zero bytes for a bottom layer. */
  readonly parent: Uint8Array;
}

/** The parts of one push that all kinds of it use. */
export interface PushWork {
  readonly geometry: Geometry;
  /** Aborts when the caller stops the push or a part of it fails. */
  readonly signal: AbortSignal;
  readonly counter: Counter;
  readonly sink: PushSink;
  readonly settler: Settler;
  readonly packer: PackWriter;
  readonly earlier: Earlier | undefined;
}

/** The parts of a push of a layer that lies still. */
export interface LayerWork extends PushWork {
  /** To be called when nothing more will be packed. */
  readonly packed: () => void;
  /** Throws LAYER_CHANGED if the layer's file is not what it was at the start. */
  readonly assertUnchanged: () => Promise<void>;
}
