import { createClients, objectEndpoint } from '../adapters/aws/clients.ts';
import { tables } from '../adapters/aws/tables.ts';
import { type OnThrottled, watchThrottles } from '../adapters/aws/throttles.ts';
import { createAwsCloud } from '../adapters/aws/wiring.ts';
import type { CloudPorts } from '../adapters/cloud-ports.ts';
import { systemClock } from '../adapters/system/clock.ts';
import { systemRandom } from '../adapters/system/random.ts';
import { LayerMoverError } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import type { Measure } from '../core/metrics.ts';
import type { Clock, Random } from '../core/ports.ts';
import type { FunctionLog } from './log.ts';
import { type FunctionName, type Setting, settings, tableSetting, uses } from './settings.ts';

export interface FunctionCloud extends CloudPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly sampling: number;
  readonly layerUnusedDays: number;
}

/** How a function tells what it does. */
export interface Telling {
  readonly log: FunctionLog;
  readonly measure: Measure;
}

/**
 * All that a deployed function works with, from its environment. Throws SETTING_MISSING if a variable that the function
 * uses is not there; ports that it does not use have no name to go to.
 */
export function openCloud(
  name: FunctionName,
  env: Readonly<Record<string, string | undefined>>,
  onThrottled: OnThrottled,
): FunctionCloud {
  const used = uses[name];
  const read = (isUsed: boolean, variable: string) => {
    if (isUsed && !env[variable]) throw new LayerMoverError('SETTING_MISSING', `${name} needs ${variable}`);
    return env[variable] ?? '';
  };
  const setting = (key: Setting) => read(used.settings.includes(key), settings[key]);
  const table = (id: keyof typeof tables) => [id, read(id in used.tables, tableSetting(id))] as const;
  const ids = Object.keys(tables) as (keyof typeof tables)[];
  const clients = createClients();
  watchThrottles(clients, onThrottled);
  const cloud = createAwsCloud(
    clients,
    {
      region: env.AWS_REGION ?? '',
      bucket: setting('bucket'),
      keyArn: setting('key'),
      tables: Object.fromEntries(ids.map(table)) as Record<keyof typeof tables, string>,
      stateMachineArn: setting('machine'),
      collectorArn: setting('collector'),
      busName: setting('bus'),
      roleArn: setting('agentRole'),
      objectEndpoint: objectEndpoint(env),
    },
    { clock: systemClock, random: systemRandom },
  );
  const sampling = Number(setting('sampling') || limits.index_sampling_default);
  const layerUnusedDays = Number(setting('unusedDays') || limits.layer_unused_days_default);
  return { ...cloud, clock: systemClock, random: systemRandom, sampling, layerUnusedDays };
}
