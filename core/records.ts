import type { GuestFate, Incoming } from './api/agent.ts';
import type { MigrationForecast } from './api/forecast.ts';
import type { HostRef } from './api/names.ts';
import type { Blackout, Cutover, RoundStats, SurveyedLayer } from './api/tasks.ts';
import type { OnNoConvergence } from './convergence/options.ts';
import type { ErrorJson } from './errors.ts';
import type { BaseKind, Kind } from './kinds.ts';
import type { MigrationState, VmState } from './migration.ts';
import type { PlannedLayer } from './plan.ts';
import type { Receipt } from './receipt.ts';
import type { Policy } from './treatments.ts';

/** A layer whose root, segments, placements and packs are in the namespace's store, or one that was registered. Ids are hex. */
export interface LayerRecord {
  readonly layerId: string;
  readonly parent: string | null;
  readonly kind: Kind;
  readonly name: string;
  readonly virtualBytes: number;
  readonly chunkBytes: number;
  readonly dataBytes: number;
  readonly recordedMs: number;
  /** When a migration used it last after it was recorded. */
  readonly usedMs?: number | undefined;
}

/** A layer that was registered. */
export interface RegisteredLayer extends SurveyedLayer {
  readonly layer_id: string;
  /** The public namespace's store has all of it. */
  readonly published: boolean;
}

/** Files of a host that are registered as base layers. */
export interface Registration {
  readonly files: readonly string[];
  readonly kind: BaseKind;
  readonly publish: boolean;
  /** What they are, each layer once and after its parent, once that is known. */
  readonly layers?: readonly RegisteredLayer[] | undefined;
}

/** How running VMs are moved. */
export interface LiveOptions {
  readonly cutover: Cutover;
  readonly maxDowntimeMs: number;
  readonly onNoConvergence: OnNoConvergence;
}

export interface MigrationRecord {
  readonly id: string;
  readonly namespace: string;
  readonly requestId: string;
  readonly vmNames: readonly string[];
  readonly to: HostRef;
  readonly from?: HostRef | undefined;
  readonly policy: Policy;
  readonly chunkBytes: number;
  readonly kinds?: readonly Kind[] | undefined;
  /** Absent: the VMs are stopped. */
  readonly live?: LiveOptions | undefined;
  readonly maxRateBytesPerSecond?: number | undefined;
  /** Set if no VM is moved, but layers of the host `to` are registered (docs/adr/0022). */
  readonly registration?: Registration | undefined;
  /** It ends once it is planned; absent: it moves the VMs. */
  readonly planOnly?: boolean | undefined;
  /** 1 at first; one more each time it is resumed. What an earlier run still says is refused. */
  readonly run: number;
  readonly state: MigrationState;
  readonly createdMs: number;
  readonly updatedMs: number;
  readonly endedMs?: number | undefined;
  readonly abortRequested?: boolean | undefined;
  /** Once it is planned. */
  readonly forecast?: MigrationForecast | undefined;
  readonly error?: ErrorJson | undefined;
}

/** What was decided after the last round of a running VM. */
export interface Decided {
  /** The number of the next round, if there is one. */
  readonly round: number;
  readonly predictedMs?: number | undefined;
  readonly throttleBytesPerSecond?: number | undefined;
  readonly reason: string;
}

/** What the source did in a round, and how the guest was slowed down in it. */
export interface RoundRecord extends RoundStats {
  readonly throttleBytesPerSecond?: number | undefined;
}

/** One VM of a migration. */
export interface VmRecord {
  readonly name: string;
  /** The run of the migration that moves it, or moved it. */
  readonly run: number;
  readonly source: HostRef;
  /** The ownership's epoch when the migration leased it; Commit is fenced on it. */
  readonly epoch: number;
  readonly state: VmState;
  /** What the source found, disk after disk, each bottom first. */
  readonly surveyed?: readonly SurveyedLayer[] | undefined;
  /** What is done with each of them, in the same order. */
  readonly layers?: readonly PlannedLayer[] | undefined;
  /** Of a running VM, in order: `limits.rounds_max` at the most. */
  readonly rounds?: readonly RoundRecord[] | undefined;
  readonly decided?: Decided | undefined;
  readonly incoming?: Incoming | undefined;
  readonly blackout?: Blackout | undefined;
  /** Once it was committed, running. */
  readonly guest?: GuestFate | undefined;
  readonly sourceReceipt?: Receipt | undefined;
  readonly destinationReceipt?: Receipt | undefined;
  readonly startedMs?: number | undefined;
  readonly endedMs?: number | undefined;
  readonly error?: ErrorJson | undefined;
}

/** Progress and counts of one layer's transfer as one side sees it. Bytes. */
export interface StreamRecord {
  readonly stream: string;
  readonly side: 'source' | 'destination';
  /** Raw bytes handled and to be handled. */
  readonly doneBytes: number;
  readonly totalBytes: number;
  /** Bytes that went to (source) or came from (destination) the cloud for this layer: packs, manifests, fingerprints. */
  readonly wireBytes: number;
  /** Bytes of packs newly stored; source only. */
  readonly storedBytes: number;
  /** Raw bytes not sent because the index had their chunks; at the destination, not fetched because its own layers had them. */
  readonly dedupedBytes: number;
  /** Raw bytes that the index was not asked for, as asking did not pay; source only. */
  readonly unaskedBytes?: number | undefined;
  readonly milliseconds: number;
  /** When one of its counts last changed. */
  readonly movedMs?: number | undefined;
}

/** Segments of a layer that became durable together; the destination pulls what changed against what it has. */
export interface Round {
  readonly stream: string;
  /** Sorts rounds of a stream: by task, attempt and sequence within it (roundCursor). */
  readonly cursor: string;
  readonly segments: readonly { readonly index: number; readonly id: string }[];
  /** Set on the last round: the layer's id, whose root is stored. */
  readonly layerId?: string | undefined;
}

/** Which task commits a round: of a running VM's the number of its round, `last` for the one that ends the stream. */
export interface RoundTask {
  readonly run: number;
  readonly round: number | 'last';
  readonly attempt: number;
}

/** The cursor of a round: runs in order, then the rounds of a running VM, then attempts, then sequence numbers. */
export function roundCursor({ run, round, attempt }: RoundTask, sequence: number): string {
  // A letter sorts after all digits: what ends a stream comes after its rounds, whatever attempt those took.
  const which = round === 'last' ? round : String(round).padStart(4, '0');
  return `${roundsBegin(run)}.${which}.${String(attempt).padStart(6, '0')}.${String(sequence).padStart(8, '0')}`;
}

/** Sorts before every round of a run and after those of earlier runs, which told of what may have changed since. */
export function roundsBegin(run: number): string {
  return String(run).padStart(4, '0');
}
