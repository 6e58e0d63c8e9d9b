import type { Treatment } from '../treatments.ts';
import { type LayerFacts, type Share, uncertainty } from './facts.ts';
import type { Prediction } from './predict.ts';

/** Why a treatment was chosen. `stores`: a little slower now, for what it stores the next VM need not send. */
export type Ground = 'present' | 'changing' | 'policy' | 'kind' | 'stored' | 'faster' | 'stores' | 'unshared';

interface Told {
  readonly treatment: Treatment;
  readonly prediction: Prediction;
  readonly other?: Prediction | undefined;
}

/** Why a treatment was chosen, for a person, with the numbers that decided. */
export function reasonOf(ground: Ground, { treatment, prediction, other }: Told, facts: LayerFacts): string {
  switch (ground) {
    case 'present':
      return 'the destination has this layer';
    case 'changing':
      return 'the running VM writes to it: it goes in rounds';
    case 'policy':
      return `policy ${treatment}`;
    case 'kind':
      return `policy kind: ${facts.kind === 'ud' ? 'user data is unique' : 'others share a base layer’s chunks'}`;
    case 'stored':
      return 'the store has it: nothing to send';
    case 'stores':
      return `${duplicateWords(facts)}; ${against(prediction, other)}, and what it stores the next VM need not send`;
    case 'unshared':
      return `${duplicateWords(facts)}: ${against(prediction, other)} is not worth keeping user data in the store`;
    case 'faster':
      return `${duplicateWords(facts)}: ${against(prediction, other)}`;
  }
}

function against({ treatment, milliseconds }: Prediction, other: Prediction | undefined): string {
  const own = `${treatment} takes ${duration(milliseconds)}`;
  return other === undefined ? own : `${own}, ${other.treatment} ${duration(other.milliseconds)}`;
}

function duplicateWords({ duplicates }: LayerFacts): string {
  if (duplicates === undefined) return 'nobody has looked up its chunks, none are assumed to be known';
  return `${shareWords(duplicates)} of its chunks are known`;
}

/** A share in percent with what it may be off, if it is of a sample. */
export function shareWords(share: Share): string {
  const percent = (value: number) => `${Math.round(100 * value)} %`;
  const off = uncertainty(share);
  return off === 0 ? percent(share.value) : `${percent(share.value)} ± ${percent(off)}`;
}

/** Milliseconds as people say them. */
export function duration(milliseconds: number): string {
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`;
  if (milliseconds < 120_000) return `${(milliseconds / 1000).toFixed(1)} s`;
  return `${Math.round(milliseconds / 60_000)} min`;
}
