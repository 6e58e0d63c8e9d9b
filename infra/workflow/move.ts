import { limits } from '../../core/limits.ts';
import type { Branch, MapState, Transition } from './language.ts';
import { forEach, type StatesOf, sideBySide } from './states.ts';

const VM = { 'vm.$': '$.vm' };

/** Each VM by itself: one that fails is given back to its source, the others go on. */
export function moveMap(states: StatesOf, next: Transition): MapState {
  const item = { 'vm.$': '$$.Map.Item.Value.vm', next: { round: 0 } };
  return forEach('$.planned.vms', item, limits.gang_moves_max, moveVm(states), next);
}

/** Verify and Commit only confirm what the source's own call has done: no transition lies between its receipt and its commit. */
function moveVm(states: StatesOf): Branch {
  const { step } = states;
  const onError = 'RollbackVm';
  return {
    StartAt: 'MoveVm',
    States: {
      MoveVm: sideBySide([source(states), destination(states)], { Next: 'Verify' }, onError),
      Verify: step('verify', VM, { Next: 'Commit' }, { onError }),
      Commit: step('commit', VM, { End: true }, { onError }),
      RollbackVm: step('rollback-vm', { ...VM, 'error.$': '$.error' }, { End: true }),
    },
  };
}

/** Rounds while the VM runs, as many as the decision after each wants, then its cutover. A stopped VM has no rounds. */
function source({ step, agentTask }: StatesOf): Branch {
  return {
    StartAt: 'DecideRound',
    States: {
      DecideRound: step(
        'decide',
        { ...VM, 'round.$': '$.next.round' },
        { Next: 'AfterRound' },
        {
          keep: { at: '$.next', fields: ['decision', 'round'] },
        },
      ),
      AfterRound: {
        Type: 'Choice',
        Choices: [{ Variable: '$.next.decision', StringEquals: 'round', Next: 'PreCopyRound' }],
        Default: 'Cutover',
      },
      PreCopyRound: agentTask('round', '$.vm', { Next: 'DecideRound' }),
      Cutover: agentTask('cutover', '$.vm', { End: true }),
    },
  };
}

/** The destination pulls each round while the next one is made, once the VM's base layers are there, then proves what it holds. */
function destination({ agentTask }: StatesOf): Branch {
  return { StartAt: 'FollowRounds', States: { FollowRounds: agentTask('follow', '$.vm', { End: true }) } };
}
