import type { CloudPorts } from '../../adapters/cloud-ports.ts';
import type { Clock } from '../../core/ports.ts';
import type { LogError } from '../log.ts';

export interface StepDeps
  extends Pick<CloudPorts, 'hosts' | 'tasks' | 'migrations' | 'vms' | 'layers' | 'objects' | 'events'> {
  readonly clock: Clock;
  readonly logError: LogError;
}
