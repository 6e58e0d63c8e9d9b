import * as z from 'zod';
import { COLLECTION_PHASES, type CountedKind, type Fate } from '../garbage.ts';
import { errorJson } from './agent.ts';
import { count } from './names.ts';

/** A collection that was asked for, and one that the schedule began: then it has the name of its execution. */
export const collectionId = z.string().regex(/^[0-9A-Za-z_-]{1,80}$/, 'a collection’s id');

export const garbageRequest = z.object({
  /** Made by whoever asks: the same again is the same collection. */
  id: z.string().regex(/^g[0-9a-f]{20}$/, 'a g and 20 hex digits'),
  /** Tell what would be removed, and remove nothing. */
  dry_run: z.boolean().default(false),
});
export type GarbageRequest = z.input<typeof garbageRequest>;

const tally = z.object({ objects: count, bytes: count });
const fates = z.object({ needed: tally, waiting: tally, removed: tally } satisfies Record<Fate, typeof tally>);

/** A garbage collection. Of a dry run, `removed` is what would be. */
export const collectionView = z.object({
  id: collectionId,
  dry_run: z.boolean(),
  state: z.enum(['running', 'done', 'failed']),
  phase: z.enum(COLLECTION_PHASES),
  started_ms: count,
  updated_ms: count,
  ended_ms: count.optional(),
  /** Objects by kind, and by what becomes of them. */
  objects: z.object({
    packs: fates,
    segments: fates,
    placements: fates,
    layers: fates,
    migrations: fates,
  } satisfies Record<CountedKind, typeof fates>),
  layers_kept: count,
  layers_withdrawn: count,
  rows_removed: count,
  error: errorJson.optional(),
});
export type CollectionView = z.infer<typeof collectionView>;
