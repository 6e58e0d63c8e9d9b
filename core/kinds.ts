import { LayerMoverError } from './errors.ts';

/** What a layer is for: the operating system, the working environment over it, the user's data on top. */
export const KINDS = ['os', 'we', 'ud'] as const;
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
