import type { CloudPorts } from '../../adapters/cloud-ports.ts';
import type { Clock } from '../../core/ports.ts';
import type { LogError } from '../log.ts';

type Ports = 'hosts' | 'tasks' | 'migrations' | 'workflow' | 'objects' | 'index' | 'idle' | 'layers' | 'granter';

export interface TaskDeps extends Pick<CloudPorts, Ports> {
  readonly clock: Clock;
  /** One fingerprint in so many gets an index row. */
  readonly sampling: number;
  readonly logError: LogError;
}
