import type { Piece } from '../disk/pieces.ts';
import type { Side } from './side.ts';

/** Neighbouring chunks that may differ; a side that is not `held` is known to have zeros there. */
export interface Suspects {
  readonly chunk: number;
  readonly count: number;
  readonly held: readonly [one: boolean, other: boolean];
}

/** A range of whole chunks (the disk's last may be short) of which both sides have told where its bytes are. */
export interface Window {
  readonly sides: readonly [Side, Side];
  readonly pieces: readonly [readonly Piece[], readonly Piece[]];
  readonly offset: number;
  readonly length: number;
  readonly chunkBytes: number;
}

const MAY_DIFFER = 4;

/** The chunks of which the maps alone don't tell that both sides hold the same, ascending. */
export function* suspectsIn(window: Window): Generator<Suspects> {
  const { offset, length, chunkBytes } = window;
  const flags = new Uint8Array(Math.ceil(length / chunkBytes));
  const mark = (from: number, to: number, flag: number) => {
    const last = Math.ceil((to - offset) / chunkBytes);
    for (let chunk = Math.floor((from - offset) / chunkBytes); chunk < last; chunk++) flags[chunk]! |= flag;
  };
  window.pieces.forEach((pieces, side) => {
    for (const { kind, at, length } of pieces) if (kind !== 'zero') mark(at, at + length, 1 << side);
  });
  for (const { from, to } of unlike(window)) mark(from, to, MAY_DIFFER);
  for (let at = 0; at < flags.length; ) {
    const flag = flags[at]!;
    let end = at + 1;
    while (end < flags.length && flags[end] === flag) end++;
    if (flag >= MAY_DIFFER)
      yield { chunk: offset / chunkBytes + at, count: end - at, held: [(flag & 1) !== 0, (flag & 2) !== 0] };
    at = end;
  }
}

/** The ranges whose bytes come from different places. */
function* unlike({ sides: [a, b], pieces: [mine, theirs], offset, length }: Window) {
  let [i, j] = [0, 0];
  for (let from = offset; from < offset + length; ) {
    const [p, q] = [mine[i]!, theirs[j]!];
    const [endOfP, endOfQ] = [p.at + p.length, q.at + q.length];
    const to = Math.min(endOfP, endOfQ);
    if (a.sourceOf(p, from) !== b.sourceOf(q, from)) yield { from, to };
    if (endOfP === to) i++;
    if (endOfQ === to) j++;
    from = to;
  }
}
