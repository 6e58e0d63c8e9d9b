import type { ApiClient } from '../../adapters/api/client.ts';
import { hasEnded } from '../../core/migration.ts';

/** What became of a VM's move: `moving` as long as that is not known. */
export type VmOutcome = 'committed' | 'rolled-back' | 'moving';

/** Asks the cloud what became of a VM's move. Errors: those of the API, MIGRATION_UNKNOWN among them. */
export async function vmOutcome(
  api: ApiClient,
  migration: string,
  vm: string,
  signal?: AbortSignal,
): Promise<VmOutcome> {
  const view = await api.call('getMigration', { params: { migration }, signal });
  const state = view.vms.find((each) => each.name === vm)?.state;
  if (state === 'committed') return 'committed';
  return state === 'rolled-back' || hasEnded(view.state) ? 'rolled-back' : 'moving';
}
