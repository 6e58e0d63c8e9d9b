import { LayerMoverError } from './errors.ts';

/** What a layer is for: the operating system, the working environment over it, the user's data on top. */
export const KINDS = ['os', 'we', 'ud'] as const;
/** Kinds of layers that nobody writes to, and that several VMs may lie on. */
export const BASE_KINDS = ['os', 'we'] as const satisfies readonly (typeof KINDS)[number][];
export type BaseKind = (typeof BASE_KINDS)[number];
export type Kind = (typeof KINDS)[number];

/** Kinds of a VM’s chains, by their depths, disk after disk; `override` names one kind a layer in this order. */
export function kindsOfDisks(depths: readonly number[], override?: readonly Kind[]): Kind[][] {
  const total = depths.reduce((sum, depth) => sum + depth, 0);
  if (override !== undefined && override.length !== total) throw mismatch(override.length, depths);
  let from = 0;
  return depths.map((depth) => {
    const kinds = override?.slice(from, from + depth);
    from += depth;
    return kindsOf(depth, kinds);
  });
}

/** Kinds of a chain, bottom first: bottom = os, top = ud, all between = we, a single file = ud, unless overridden. */
export function kindsOf(depth: number, override?: readonly Kind[]): Kind[] {
  if (override !== undefined && override.length !== depth) {
    throw mismatch(override.length, [depth]);
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

function mismatch(given: number, depths: readonly number[]): LayerMoverError {
  const [first, ...others] = depths;
  const what = others.length === 0 ? `a chain of ${first} layers` : `chains of ${depths.join(', ')} layers`;
  return new LayerMoverError('KINDS_MISMATCH', `${given} kinds were given for ${what}`, {
    hint: 'name one kind a layer, bottom first, disk after disk, for instance --kinds os,we,ud',
  });
}
