import { limits } from '../../core/limits.ts';
import type { Machine } from './language.ts';
import { statesOf } from './states.ts';

/** The namespace, and the collection of it that this execution is. */
const ABOUT = { 'namespace.$': '$.namespace', 'collection.$': '$$.Execution.Name' };

/**
 * The workflow of a garbage collection, in the Amazon States Language: page after page until none is left. Its input is
 * `{namespace, dry_run}`. `functionName` is the name or ARN of the gc function.
 */
export function collectionDefinition(functionName: string): Machine {
  const { step } = statesOf(functionName, ABOUT);
  const onError = 'GiveUp';
  return {
    Comment: 'Removes from the store what nothing needs any more',
    StartAt: 'Begin',
    TimeoutSeconds: limits.collection_seconds_max,
    States: {
      Begin: step(
        'begin',
        { 'dry_run.$': '$.dry_run' },
        { Next: 'HasBegun' },
        { keep: { at: '$.has', fields: ['begun'] } },
      ),
      HasBegun: {
        Type: 'Choice',
        Choices: [{ Variable: '$.has.begun', BooleanEquals: true, Next: 'Collect' }],
        Default: 'AnotherRuns',
      },
      Collect: step('collect', {}, { Next: 'IsMore' }, { keep: { at: '$.has', fields: ['more'] }, onError }),
      IsMore: {
        Type: 'Choice',
        Choices: [{ Variable: '$.has.more', BooleanEquals: true, Next: 'Collect' }],
        Default: 'Collected',
      },
      GiveUp: step('give-up', { 'error.$': '$.error' }, { Next: 'NotCollected' }, { last: true }),
      NotCollected: { Type: 'Fail', ErrorPath: '$.error.Error', CausePath: '$.error.Cause' },
      AnotherRuns: { Type: 'Succeed' },
      Collected: { Type: 'Succeed' },
    },
  };
}
