import { limits } from '../../core/limits.ts';
import type { Machine } from './language.ts';
import { prepareStates } from './prepare.ts';
import { rollbackStates } from './rollback.ts';
import { statesOf } from './states.ts';
import { transferStates } from './transfer.ts';

/**
 * The workflow of a migration, in the Amazon States Language. Its input is `{migration, run}`. States carry keys and counts;
 * what they are about is in the records. `functionName` is the name or ARN of the steps function.
 */
export function workflowDefinition(functionName: string): Machine {
  const states = statesOf(functionName);
  const onError = 'Rollback';
  return {
    Comment: 'Moves the storage of VMs from where they are to one host',
    StartAt: 'Prepare',
    TimeoutSeconds: limits.migration_seconds_max,
    States: {
      ...prepareStates(states, onError),
      ...transferStates(states, onError),
      ...rollbackStates(states),
    },
  };
}
