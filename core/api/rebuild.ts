import * as z from 'zod';
import { count, digest, PATH_MAX } from './names.ts';

/**
 * The phases of a rebuild, in this order. Packs are judged first; then rows go that name a bad one, and are written for
 * the good ones. What rests on damage goes in the reverse order of durability: layer records and roots, segments,
 * placements, and the damaged packs themselves (`removal`) at last.
 */
export const REBUILD_PHASES = [
  'packs',
  'rows',
  'index',
  'records',
  'layers',
  'segments',
  'placements',
  'removal',
] as const;
export type RebuildPhase = (typeof REBUILD_PHASES)[number];

/** Where a rebuild stands: a phase, and how far it is in it. */
const place = { phase: z.enum(REBUILD_PHASES), after: z.string().max(PATH_MAX).optional() };

export const rebuildRequest = z.object({
  ...place,
  /** Read packs as a whole and check every chunk; otherwise their footers alone. */
  check: z.boolean().default(false),
});
export type RebuildRequest = z.infer<typeof rebuildRequest>;

export const rebuildCounts = z.object({
  packs_read: count,
  /** Bytes of packs whose chunks were checked. */
  bytes_checked: count,
  rows_written: count,
  rows_removed: count,
  placements_rebuilt: count,
  layers_complete: count,
  layers_incomplete: count,
  /** Objects that were taken out of the store. */
  objects_removed: count,
});
export type RebuildCounts = z.infer<typeof rebuildCounts>;

/** Something that is not what its name says, or rests on something that is not. `id` names it in its kind. */
export const damagedObject = z.object({
  kind: z.enum(['pack', 'layer', 'segment', 'placement']),
  id: digest,
  what: z.string(),
});
export type DamagedObject = z.infer<typeof damagedObject>;

export const rebuildAnswer = z.object({
  ...rebuildCounts.shape,
  damaged: z.array(damagedObject),
  /** What to ask for next; absent when the rebuild is done. */
  next: z.object(place).optional(),
});
export type RebuildAnswer = z.infer<typeof rebuildAnswer>;
