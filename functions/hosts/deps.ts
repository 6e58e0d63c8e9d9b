import type { CloudPorts } from '../../adapters/cloud-ports.ts';
import type { Clock } from '../../core/ports.ts';
import type { Telling } from '../cloud.ts';
import type { Pace } from './pace.ts';

export interface HostDeps extends Pick<CloudPorts, 'hosts' | 'layers' | 'tasks' | 'migrations' | 'workflow'>, Telling {
  readonly clock: Clock;
}

/** What polls need besides: how often they beat, store progress, and tell of a migration that stands still. */
export interface PollDeps extends HostDeps {
  readonly beats: Pace;
  readonly progress: Pace;
  readonly standstills: Pace;
}
