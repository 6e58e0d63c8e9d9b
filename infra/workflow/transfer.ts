import { limits } from '../../core/limits.ts';
import type { Branch, States } from './language.ts';
import { moveMap } from './move.ts';
import { forEach, type StatesOf, sideBySide } from './states.ts';

/**
 * All that is copied. Sources push base layers that the destination lacks, then VMs begin to move, while the destination still
 * fetches the bases: it follows a VM as soon as that one's own are there. What fails here but a VM by itself ends it all.
 */
export function transferStates(states: StatesOf, onError: string): States {
  return { Transfer: sideBySide([sources(states), destination(states)], { Next: 'Ending' }, onError) };
}

/** Links are busy without a break: a VM's own layers go when the last base layer has gone. */
function sources(states: StatesOf): Branch {
  const push = { StartAt: 'PushBases', States: { PushBases: states.agentTask('seed', '$.host', { End: true }) } };
  const host = { 'host.$': '$$.Map.Item.Value.host' };
  return {
    StartAt: 'PushFromSources',
    States: {
      PushFromSources: forEach('$.planned.seeds', host, limits.gang_vms_max, push, { Next: 'Move' }),
      Move: moveMap(states, { End: true }),
    },
  };
}

function destination({ agentTask }: StatesOf): Branch {
  return {
    StartAt: 'IsToFetch',
    States: {
      IsToFetch: {
        Type: 'Choice',
        Choices: [{ Variable: '$.planned.seeding', BooleanEquals: true, Next: 'PullBases' }],
        Default: 'HasBases',
      },
      PullBases: agentTask('fetch', '$.prepared.destination', { End: true }),
      HasBases: { Type: 'Succeed' },
    },
  };
}
