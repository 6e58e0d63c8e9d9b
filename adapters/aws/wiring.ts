import { limits } from '../../core/limits.ts';
import type { Clock, Random } from '../../core/ports.ts';
import type { CloudPorts } from '../cloud-ports.ts';
import type { AwsClients } from './clients.ts';
import { createCollectionRuns } from './collection-runs.ts';
import { createEvents } from './events.ts';
import { createFingerprintIndex } from './fingerprint-index.ts';
import { createGranter } from './granter.ts';
import { createHostRegistry } from './host-registry.ts';
import { createIdleMarks } from './idle-marks.ts';
import { createLayerCatalog } from './layer-catalog.ts';
import { createMigrationStore } from './migration-store.ts';
import { createObjectJanitor } from './object-janitor.ts';
import { openTable } from './table.ts';
import type { TableId, TableNames } from './tables.ts';
import { createTaskBoard } from './task-board.ts';
import { createVmRegistry } from './vm-registry.ts';
import { createWorkflow } from './workflow.ts';

/** What is deployed, by name. */
export interface Deployment {
  readonly region: string;
  readonly bucket: string;
  /** The key of the bucket's objects. */
  readonly keyArn: string;
  readonly tables: TableNames;
  readonly stateMachineArn: string;
  /** The state machine of garbage collection. */
  readonly collectorArn: string;
  readonly busName: string;
  /** The role whose sessions agents get. */
  readonly roleArn: string;
  /** Where agents reach the object store if not at AWS's own address. */
  readonly objectEndpoint?: string | undefined;
}

/** All ports of a deployed cloud. */
export function createAwsCloud(
  clients: AwsClients,
  deployment: Deployment,
  { clock, random }: { clock: Clock; random: Random },
): CloudPorts {
  const { region, bucket, keyArn, tables, stateMachineArn, collectorArn, busName, roleArn, objectEndpoint } =
    deployment;
  const retry = {
    clock,
    random,
    attempts: limits.table_attempts_max,
    firstMs: limits.table_retry_first_ms,
    maxMs: limits.table_retry_ms_max,
  };
  const table = (id: TableId) => openTable({ client: clients.dynamo, name: tables[id], retry });
  return {
    objects: createObjectJanitor({ client: clients.s3, bucket, retry }),
    index: createFingerprintIndex(table('index')),
    idle: createIdleMarks(table('index')),
    layers: createLayerCatalog(table('layers')),
    collections: createCollectionRuns(table('layers')),
    hosts: createHostRegistry(table('hosts')),
    vms: createVmRegistry(table('vms')),
    migrations: createMigrationStore(table('migrations')),
    tasks: createTaskBoard(table('tasks'), clock),
    workflow: createWorkflow({ client: clients.sfn, stateMachineArn }),
    collector: createWorkflow({ client: clients.sfn, stateMachineArn: collectorArn }),
    events: createEvents({ client: clients.events, busName }),
    granter: createGranter({ client: clients.sts, roleArn, bucket, keyArn, region, endpoint: objectEndpoint }),
  };
}
