import { limits } from '../../core/limits.ts';
import type { States } from './language.ts';
import { forEach, type StatesOf } from './states.ts';

/** Where the VMs are, what they are made of, and what is done with each layer. */
export function prepareStates({ step, agentTask }: StatesOf, onError: string): States {
  const survey = { StartAt: 'SurveyHost', States: { SurveyHost: agentTask('survey', '$.host', { End: true }) } };
  const host = { 'host.$': '$$.Map.Item.Value.host' };
  return {
    Prepare: step(
      'prepare',
      {},
      { Next: 'Survey' },
      {
        keep: { at: '$.prepared', fields: ['sources', 'destination'] },
        onError,
      },
    ),
    Survey: forEach('$.prepared.sources', host, limits.gang_vms_max, survey, { Next: 'Plan' }, onError),
    Plan: step(
      'plan',
      {},
      { Next: 'IsPlanOnly' },
      {
        keep: { at: '$.planned', fields: ['seeding', 'seeds', 'vms', 'only'] },
        onError,
      },
    ),
    IsPlanOnly: {
      Type: 'Choice',
      Choices: [{ Variable: '$.planned.only', BooleanEquals: true, Next: 'Ending' }],
      Default: 'Transfer',
    },
  };
}
