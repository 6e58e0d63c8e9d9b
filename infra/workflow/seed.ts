import { limits } from '../../core/limits.ts';
import type { States } from './language.ts';
import { forEach, type StatesOf, sideBySide } from './states.ts';

/** Base layers that the destination lacks: sources push while the destination pulls what is there already. */
export function seedStates({ agentTask }: StatesOf, onError: string): States {
  const push = { StartAt: 'PushBases', States: { PushBases: agentTask('seed', '$.host', { End: true }) } };
  const host = { 'host.$': '$$.Map.Item.Value.host' };
  const sources = {
    StartAt: 'PushFromSources',
    States: { PushFromSources: forEach('$.planned.seeds', host, limits.gang_vms_max, push, { End: true }) },
  };
  const destination = {
    StartAt: 'PullBases',
    States: { PullBases: agentTask('fetch', '$.prepared.destination', { End: true }) },
  };
  return {
    MustSeed: {
      Type: 'Choice',
      Choices: [{ Variable: '$.planned.seeding', BooleanEquals: true, Next: 'Seed' }],
      Default: 'Move',
    },
    Seed: sideBySide([sources, destination], { Next: 'Move' }, onError),
  };
}
