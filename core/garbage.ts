import type { ErrorJson } from './errors.ts';
import { OBJECT_KINDS } from './format/keys.ts';
import { limits } from './limits.ts';

/**
 * The phases of a garbage collection, in this order: first what is needed is found, from layer records down; then what is
 * not goes, against the order of durability: roots, segments, placements, index rows and packs; at last what migrations
 * that have ended left in scopes of their own.
 */
export const COLLECTION_PHASES = ['records', 'layers', 'segments', 'placements', 'packs', 'migrations'] as const;
export type CollectionPhase = (typeof COLLECTION_PHASES)[number];

/** What a collection counts objects by: the four kinds of a namespace, and the scopes of migrations. */
export const COUNTED_KINDS = [...OBJECT_KINDS, 'migrations'] as const;
export type CountedKind = (typeof COUNTED_KINDS)[number];

/** What becomes of an object: a manifest or a migration needs it; nothing does, but not for long enough; it goes. */
export const FATES = ['needed', 'waiting', 'removed'] as const;
export type Fate = (typeof FATES)[number];

export interface Tally {
  readonly objects: number;
  readonly bytes: number;
}

export interface CollectionCounts {
  readonly objects: Readonly<Record<CountedKind, Readonly<Record<Fate, Tally>>>>;
  readonly layersKept: number;
  /** Layers that no host holds and no migration has used for long. */
  readonly layersWithdrawn: number;
  readonly rowsRemoved: number;
}

/** The last garbage collection of a namespace: how far it is, or how it ended. */
export interface CollectionRun {
  readonly namespace: string;
  readonly id: string;
  /** Tells what would be done, and does nothing. */
  readonly dryRun: boolean;
  readonly state: 'running' | 'done' | 'failed';
  /** Pages that are done; each is worked on from where the one before it ended. */
  readonly page: number;
  readonly phase: CollectionPhase;
  readonly after?: string | undefined;
  /** Key of the object that holds what is needed, as far as it is known. */
  readonly filter?: string | undefined;
  readonly startedMs: number;
  readonly updatedMs: number;
  readonly endedMs?: number | undefined;
  readonly error?: ErrorJson | undefined;
  readonly counts: CollectionCounts;
}

export const NOTHING_COUNTED: CollectionCounts = {
  objects: Object.fromEntries(
    COUNTED_KINDS.map((kind) => [kind, Object.fromEntries(FATES.map((fate) => [fate, { objects: 0, bytes: 0 }]))]),
  ) as CollectionCounts['objects'],
  layersKept: 0,
  layersWithdrawn: 0,
  rowsRemoved: 0,
};

/** True if a run still has the namespace to itself. One that has said nothing for long has come to no end of its own. */
export function isCollecting(run: CollectionRun | undefined, nowMs: number): run is CollectionRun {
  return run?.state === 'running' && nowMs - run.updatedMs < limits.collection_stale_ms;
}
