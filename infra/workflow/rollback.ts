import type { States } from './language.ts';
import type { StatesOf } from './states.ts';

/** Every way out: VMs that are not committed stay with their source, the record ends, what is left over is removed. */
export function rollbackStates({ step }: StatesOf): States {
  return {
    Rollback: step('rollback', { 'error.$': '$.error' }, { Next: 'Ending' }, { onError: 'Ending', last: true }),
    Ending: { Type: 'Pass', Result: { round: 0 }, ResultPath: '$.finished', Next: 'Finish' },
    Finish: step(
      'finish',
      { 'round.$': '$.finished.round' },
      { Next: 'HowEnded' },
      {
        keep: { at: '$.finished', fields: ['state', 'error', 'cause', 'more', 'round'] },
        last: true,
      },
    ),
    HowEnded: {
      Type: 'Choice',
      Choices: [
        { Variable: '$.finished.more', BooleanEquals: true, Next: 'Finish' },
        { Variable: '$.finished.state', StringEquals: 'committed', Next: 'Committed' },
        { Variable: '$.finished.state', StringEquals: 'planned', Next: 'Planned' },
      ],
      Default: 'NotCommitted',
    },
    Committed: { Type: 'Succeed' },
    Planned: { Type: 'Succeed' },
    NotCommitted: { Type: 'Fail', ErrorPath: '$.finished.error', CausePath: '$.finished.cause' },
  };
}
