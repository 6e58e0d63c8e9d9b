import type { CloudPorts } from '../../adapters/cloud-ports.ts';
import type { MigrationDeps } from '../migrations/deps.ts';

export type RequestDeps = MigrationDeps & Pick<CloudPorts, 'objects'>;
