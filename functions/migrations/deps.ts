import type { CloudPorts } from '../../adapters/cloud-ports.ts';
import type { Clock } from '../../core/ports.ts';
import type { Telling } from '../cloud.ts';

export interface MigrationDeps
  extends Pick<CloudPorts, 'hosts' | 'tasks' | 'migrations' | 'vms' | 'workflow' | 'events'>,
    Telling {
  readonly clock: Clock;
}
