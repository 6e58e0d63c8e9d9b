/** What the workflow does after a round. */
export type RoundDecision = 'round' | 'cutover';

/** A cold VM is stopped: nothing changes while it is copied, so the cutover's copy is the only one. */
export function decideRound(_mode: 'cold'): RoundDecision {
  return 'cutover';
}
