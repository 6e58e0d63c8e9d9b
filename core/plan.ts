import type { Kind } from './kinds.ts';

export const POLICIES = ['auto', 'dedup', 'direct'] as const;
/** `auto` chooses by layer; the others force what is not skipped. */
export type Policy = (typeof POLICIES)[number];

export const TREATMENTS = ['skip', 'dedup', 'direct'] as const;
export type Treatment = (typeof TREATMENTS)[number];

export interface Choice {
  readonly treatment: Treatment;
  /** Why, for a person. */
  readonly reason: string;
}

/** What is done with one layer of one VM. */
export interface PlannedLayer extends Choice {
  /** Names the layer's transfer within the migration. */
  readonly stream: string;
  readonly kind: Kind;
  readonly name: string;
  /** Hex; unknown before the move for user data that goes direct. */
  readonly layerId?: string | undefined;
  readonly virtualBytes: number;
  /** Bytes that the layer itself holds. */
  readonly dataBytes: number;
  /** True if another VM of the gang brings this layer, too: it is sent once. */
  readonly shared: boolean;
  /** True if the namespace's store has all of it: the source reads and sends nothing. */
  readonly stored: boolean;
  /** True if it is the public namespace's store that has it. */
  readonly published?: boolean | undefined;
}

/** Skip what the destination has, deduplicate base layers, send user data direct (after LayerMover, FGCS 2018). */
export function chooseTreatment(layer: { kind: Kind; present: boolean; stored: boolean; policy: Policy }): Choice {
  if (layer.present) return { treatment: 'skip', reason: 'the destination has this layer' };
  if (layer.policy !== 'auto') return { treatment: layer.policy, reason: `policy ${layer.policy}` };
  if (layer.kind === 'ud')
    return { treatment: 'direct', reason: 'user data: unique, look-ups would cost more than they save' };
  if (layer.stored) return { treatment: 'dedup', reason: 'base layer that the store has: nothing to send' };
  return { treatment: 'dedup', reason: 'base layer: others share its chunks' };
}
