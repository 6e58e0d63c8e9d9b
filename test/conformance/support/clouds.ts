import { EventBridgeClient } from '@aws-sdk/client-eventbridge';
import { SFNClient } from '@aws-sdk/client-sfn';
import { STSClient } from '@aws-sdk/client-sts';
import { type createClients, createDocumentClient, createS3Client } from '../../../adapters/aws/clients.ts';
import { createAwsCloud } from '../../../adapters/aws/wiring.ts';
import type { CloudPorts } from '../../../adapters/cloud-ports.ts';
import { createMemoryCloud } from '../../../adapters/memory/cloud.ts';
import { createManualClock, type ManualClock } from '../../../adapters/memory/manual-clock.ts';
import { systemRandom } from '../../../adapters/system/random.ts';
import { startTables } from './tables.ts';

/** The ports that live in tables. */
export type TablePorts = Pick<
  CloudPorts,
  'index' | 'idle' | 'layers' | 'collections' | 'hosts' | 'vms' | 'migrations' | 'tasks'
>;

export interface TableCloud {
  readonly clock: ManualClock;
  /** The ports of one process and those of another, over the same data. */
  readonly here: TablePorts;
  readonly there: TablePorts;
  close(): Promise<void>;
}

export const tableClouds: readonly { name: string; start(): Promise<TableCloud> }[] = [
  { name: 'memory', start: startMemory },
  { name: 'aws (dynalite)', start: startAws },
];

async function startMemory(): Promise<TableCloud> {
  const clock = createManualClock();
  const ports = createMemoryCloud(clock);
  return { clock, here: ports, there: ports, close: async () => {} };
}

async function startAws(): Promise<TableCloud> {
  const clock = createManualClock();
  const tables = await startTables();
  const process = (): TablePorts => {
    const config = { region: 'eu-central-1', credentials: { accessKeyId: 'none', secretAccessKey: 'none' } };
    const clients = {
      dynamo: createDocumentClient(tables.connect()),
      s3: createS3Client(config),
      sfn: new SFNClient(config),
      sts: new STSClient(config),
      events: new EventBridgeClient(config),
    } satisfies ReturnType<typeof createClients>;
    const deployment = {
      region: config.region,
      bucket: 'unused',
      tables: tables.names,
      stateMachineArn: 'unused',
      collectorArn: 'unused',
      busName: 'unused',
      roleArn: 'unused',
      keyArn: 'arn:aws:kms:eu-central-1:111122223333:key/objects',
    };
    return createAwsCloud(clients, deployment, { clock, random: systemRandom });
  };
  return { clock, here: process(), there: process(), close: tables.close };
}
