import type { CloudPorts } from '../../adapters/cloud-ports.ts';
import type { Clock } from '../../core/ports.ts';
import type { LogError } from '../log.ts';
import type { Pace } from './pace.ts';

export interface HostDeps extends Pick<CloudPorts, 'hosts' | 'layers' | 'tasks' | 'migrations' | 'workflow'> {
  readonly clock: Clock;
  readonly logError: LogError;
}

/** What polls need besides: how often they beat, and how often they store progress. */
export interface PollDeps extends HostDeps {
  readonly beats: Pace;
  readonly progress: Pace;
}
