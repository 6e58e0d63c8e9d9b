import type { CloudPorts } from '../../adapters/cloud-ports.ts';
import type { Clock } from '../../core/ports.ts';
import type { Telling } from '../cloud.ts';

export interface StepDeps
  extends Pick<CloudPorts, 'hosts' | 'tasks' | 'migrations' | 'vms' | 'layers' | 'objects' | 'events' | 'index'>,
    Telling {
  readonly clock: Clock;
  /** One fingerprint in so many has an index row. */
  readonly sampling: number;
}
