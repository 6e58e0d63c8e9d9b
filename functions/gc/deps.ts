import type { CloudPorts } from '../../adapters/cloud-ports.ts';
import type { Clock, Random } from '../../core/ports.ts';
import type { Telling } from '../cloud.ts';

export interface CollectionDeps
  extends Pick<CloudPorts, 'objects' | 'index' | 'idle' | 'layers' | 'migrations' | 'collections'>,
    Telling {
  readonly clock: Clock;
  readonly random: Random;
  /** One fingerprint in so many has an index row. */
  readonly sampling: number;
  /** After so many days without a holder or a use the store lets a layer go. */
  readonly layerUnusedDays: number;
}
