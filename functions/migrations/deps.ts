import type { CloudPorts } from '../../adapters/cloud-ports.ts';
import type { Clock } from '../../core/ports.ts';
import type { LogError } from '../log.ts';

export interface MigrationDeps
  extends Pick<CloudPorts, 'hosts' | 'tasks' | 'migrations' | 'vms' | 'workflow' | 'events'> {
  readonly clock: Clock;
  readonly logError: LogError;
}
