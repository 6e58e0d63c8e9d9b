import type { Clock } from '../../core/ports.ts';
import type { CloudPorts } from '../cloud-ports.ts';
import { createMemoryCollectionRuns } from './collection-runs.ts';
import { createMemoryEvents } from './events.ts';
import { createMemoryFingerprintIndex } from './fingerprint-index.ts';
import { createMemoryGranter } from './granter.ts';
import { createMemoryHostRegistry } from './host-registry.ts';
import { createMemoryIdleMarks } from './idle-marks.ts';
import { createMemoryLayerCatalog } from './layer-catalog.ts';
import { createMemoryMigrationStore } from './migration-store.ts';
import { createMemoryObjects } from './objects.ts';
import { createMemoryTaskBoard } from './task-board.ts';
import { createMemoryVmRegistry } from './vm-registry.ts';
import { createMemoryWorkflow } from './workflow.ts';

/** A whole cloud in memory, for tests and simulations. */
export function createMemoryCloud(clock: Clock) {
  return {
    objects: createMemoryObjects(),
    index: createMemoryFingerprintIndex(),
    idle: createMemoryIdleMarks(),
    layers: createMemoryLayerCatalog(),
    collections: createMemoryCollectionRuns(),
    hosts: createMemoryHostRegistry(),
    vms: createMemoryVmRegistry(),
    migrations: createMemoryMigrationStore(),
    tasks: createMemoryTaskBoard(clock),
    workflow: createMemoryWorkflow(),
    collector: createMemoryWorkflow(),
    events: createMemoryEvents(),
    granter: createMemoryGranter(clock),
  } satisfies CloudPorts;
}
