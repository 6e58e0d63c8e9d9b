import type { CloudPorts } from '../../adapters/cloud-ports.ts';
import type { Clock } from '../../core/ports.ts';
import type { Telling } from '../cloud.ts';

type Ports =
  | 'hosts'
  | 'tasks'
  | 'migrations'
  | 'workflow'
  | 'objects'
  | 'index'
  | 'idle'
  | 'layers'
  | 'vms'
  | 'granter';

export interface TaskDeps extends Pick<CloudPorts, Ports>, Telling {
  readonly clock: Clock;
  /** One fingerprint in so many gets an index row. */
  readonly sampling: number;
}
