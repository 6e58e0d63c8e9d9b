import { limits } from '../limits.ts';
import type { Policy, Treatment } from '../treatments.ts';
import type { LayerFacts } from './facts.ts';
import { type Prediction, predict } from './predict.ts';
import type { Rates } from './rates.ts';
import { type Ground, reasonOf } from './words.ts';

/** A layer to be moved, and what lies between the two hosts. */
export interface Candidate {
  readonly facts: LayerFacts;
  readonly rates: Rates;
  /** A running VM writes to it: nobody can look up what changes while it is copied. */
  readonly changing: boolean;
}

export interface Chosen {
  readonly treatment: Treatment;
  /** Why, for a person. */
  readonly reason: string;
  readonly prediction: Prediction;
  /** What the other way would take; absent if there is none. */
  readonly other?: Prediction | undefined;
}

type Decided = Omit<Chosen, 'reason'> & { readonly ground: Ground };

/**
 * Chooses for each layer that a migration moves the treatment with the least predicted time, then with the fewest bytes,
 * unless `policy` forces one. Two exceptions: a base layer is deduplicated, too, if that makes the whole migration longer by
 * `limits.plan_investment_percent` at the most (or by `plan_investment_ms`, which nobody notices), for a base layer that
 * goes direct leaves nothing in the store for the next VM on it. User data, which nobody else will ask for, is deduplicated only
 * if that saves as much. `fixedMs` is what the migration takes besides. The same facts always lead to the same choice.
 */
export function choose(candidates: readonly Candidate[], policy: Policy, fixedMs: number): Chosen[] {
  const decided = candidates.map((candidate) => fastest(candidate, policy));
  const totalMs = decided.reduce((sum, { prediction }) => sum + prediction.milliseconds, fixedMs);
  let budgetMs = Math.max(limits.plan_investment_ms, (totalMs * limits.plan_investment_percent) / 100);
  const losses = decided
    .map((each, at) => ({ at, each, lossMs: each.other && each.other.milliseconds - each.prediction.milliseconds }))
    .filter(({ at, each }) => candidates[at]!.facts.kind !== 'ud' && each.ground === 'faster')
    .filter(({ each }) => each.treatment === 'direct')
    .sort((a, b) => a.lossMs! - b.lossMs!);
  for (const { at, each, lossMs } of losses) {
    if (lossMs! > budgetMs) break;
    budgetMs -= lossMs!;
    decided[at] = { treatment: 'dedup', prediction: each.other!, other: each.prediction, ground: 'stores' };
  }
  return decided.map(({ ground, ...chosen }, at) => ({
    ...chosen,
    reason: reasonOf(ground, chosen, candidates[at]!.facts),
  }));
}

const OF_KIND = { os: 'dedup', we: 'dedup', ud: 'direct' } as const;

function fastest({ facts, rates, changing }: Candidate, policy: Policy): Decided {
  const as = (treatment: Treatment) => predict(treatment, facts, rates);
  const only = (treatment: Treatment, ground: Ground, other?: Prediction): Decided => {
    return { treatment, prediction: as(treatment), ground, other };
  };
  if (facts.present) return only('skip', 'present');
  if (changing) return only('direct', 'changing');
  const [dedup, direct] = [as('dedup'), as('direct')];
  const forced = policy === 'kind' ? OF_KIND[facts.kind] : policy;
  if (facts.stored && forced !== 'direct') return only('dedup', 'stored', direct);
  if (forced !== 'auto')
    return only(forced, policy === 'kind' ? 'kind' : 'policy', forced === 'dedup' ? direct : dedup);
  const bar = facts.kind === 'ud' ? 1 - limits.plan_investment_percent / 100 : 1;
  const limitMs = direct.milliseconds * bar;
  const isFaster =
    dedup.milliseconds < limitMs || (dedup.milliseconds === limitMs && dedup.wireBytes < direct.wireBytes);
  if (isFaster) return { treatment: 'dedup', prediction: dedup, other: direct, ground: 'faster' };
  const ground = facts.kind === 'ud' && dedup.milliseconds < direct.milliseconds ? 'unshared' : 'faster';
  return { treatment: 'direct', prediction: direct, other: dedup, ground };
}
