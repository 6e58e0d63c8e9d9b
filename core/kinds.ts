import { LayerMoverError } from './errors.ts';

/** What a layer is for: the operating system, the working environment over it, the user's data on top. */
export const KINDS = ['os', 'we', 'ud'] as const;
/** Kinds of layers that nobody writes to, and that several VMs may lie on. */
export const BASE_KINDS = ['os', 'we'] as const satisfies readonly (typeof KINDS)[number][];
export type BaseKind = (typeof BASE_KINDS)[number];
export type Kind = (typeof KINDS)[number];

/** Kinds of a chain, bottom first: bottom = os, top = ud, all between = we, a single file = ud, unless overridden. */
export function kindsOf(depth: number, override?: readonly Kind[]): Kind[] {
  if (override !== undefined && override.length !== depth) {
    throw new LayerMoverError('KINDS_MISMATCH', `${override.length} kinds were given for a chain of ${depth} layers`, {
      hint: 'name one kind a layer, bottom first, for instance --kinds os,we,ud',
    });
  }
  if (override?.slice(0, -1).includes('ud')) {
    throw new LayerMoverError('KINDS_MISMATCH', 'only the top layer can be user data', {
      hint: 'layers below the top are shared and never written; call them os or we',
    });
  }
  return Array.from({ length: depth }, (_, at) => override?.[at] ?? (at === depth - 1 ? 'ud' : at === 0 ? 'os' : 'we'));
}

/** Kinds of a chain of base layers whose top one is of `kind`, bottom first: below an environment lie others, at the bottom an OS. */
export function baseKindsOf(depth: number, kind: BaseKind): BaseKind[] {
  const below = (at: number): BaseKind => (kind === 'os' || at === 0 ? 'os' : 'we');
  return Array.from({ length: depth }, (_, at) => (at === depth - 1 ? kind : below(at)));
}
