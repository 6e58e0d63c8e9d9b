import type { Branch, State } from '../../infra/workflow/language.ts';

export interface Found {
  readonly name: string;
  readonly state: State;
  /** The branch that the state is in. */
  readonly branch: Branch;
  /** Names of the states around it, outermost first. */
  readonly within: readonly string[];
}

/** Every state of a definition, those inside Map and Parallel included. */
export function allStates(branch: Branch, within: readonly string[] = []): Found[] {
  return Object.entries(branch.States).flatMap(([name, state]) => [
    { name, state, branch, within },
    ...innerBranches(state).flatMap((inner) => allStates(inner, [...within, name])),
  ]);
}

export function innerBranches(state: State): readonly Branch[] {
  if (state.Type === 'Parallel') return state.Branches;
  return state.Type === 'Map' ? [state.ItemProcessor] : [];
}

export function nextOf(state: State): string[] {
  const next = 'Next' in state ? [state.Next] : [];
  const caught = 'Catch' in state ? (state.Catch ?? []).map((each) => each.Next) : [];
  if (state.Type === 'Choice') return [...state.Choices.map((each) => each.Next), state.Default];
  return [...next, ...caught];
}

/** True if a state can be come back to. */
export function isInCycle({ name, branch }: Found): boolean {
  const seen = new Set<string>();
  const pending = nextOf(branch.States[name]!);
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    if (at === name) return true;
    if (!seen.has(at)) pending.push(...nextOf(branch.States[at]!));
    seen.add(at);
  }
  return false;
}
