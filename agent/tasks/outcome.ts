import type { ApiClient } from '../../adapters/api/client.ts';
import type { GuestFate } from '../../core/api/agent.ts';
import type { Cutover } from '../../core/api/tasks.ts';
import { hasEnded } from '../../core/migration.ts';

/** What became of a VM's move: `moving` as long as that is not known. */
export type VmOutcome = 'committed' | 'rolled-back' | 'moving';

/** What became of a running VM's move, and of its guest. */
export interface VmFate {
  readonly outcome: VmOutcome;
  /** Undefined of a VM that did not run. */
  readonly cutover?: Cutover | undefined;
  readonly guest?: GuestFate | undefined;
}

/** Asks the cloud what became of a VM's move. Errors: those of the API, MIGRATION_UNKNOWN among them. */
export async function vmOutcome(
  api: ApiClient,
  migration: string,
  vm: string,
  signal?: AbortSignal,
): Promise<VmOutcome> {
  return (await vmFate(api, { migration, vm }, signal)).outcome;
}

/** Errors: as vmOutcome. */
export async function vmFate(
  api: ApiClient,
  { migration, vm: name }: { migration: string; vm: string },
  signal?: AbortSignal,
): Promise<VmFate> {
  const view = await api.call('getMigration', { params: { migration }, signal });
  const vm = view.vms.find((each) => each.name === name);
  const isBack = vm?.state === 'rolled-back' || hasEnded(view.state);
  const outcome = vm?.state === 'committed' ? 'committed' : isBack ? 'rolled-back' : 'moving';
  return { outcome, cutover: view.live?.cutover, guest: vm?.live?.guest };
}
