import type { Blackout, RoundStats } from '../../core/api/tasks.ts';
import type { MigrationStore } from '../../core/ports.ts';
import type { Task } from '../../core/task.ts';

/** Adds what a round did to those of its VM: the decision after it needs them all. The same round again replaces it. */
export async function storeRound(
  migrations: Pick<MigrationStore, 'vms' | 'updateVm'>,
  { migration, input }: Task,
  stats: RoundStats,
): Promise<void> {
  if (input.kind !== 'round') return;
  const { run, chain, throttle_bytes_per_second: throttle } = input;
  const vm = (await migrations.vms(migration)).find((each) => each.name === chain.vm);
  const before = (vm?.rounds ?? []).filter((each) => each.round < stats.round);
  const round = { ...stats, ...(throttle === undefined ? {} : { throttleBytesPerSecond: throttle }) };
  await migrations.updateVm(migration, { name: chain.vm, run }, { rounds: [...before, round] });
}

/** Notes how long the pause of a VM was. */
export async function storeBlackout(
  migrations: Pick<MigrationStore, 'updateVm'>,
  { migration, input }: Task,
  blackout: Blackout | undefined,
): Promise<void> {
  if (input.kind !== 'cutover' || blackout === undefined) return;
  await migrations.updateVm(migration, { name: input.chain.vm, run: input.run }, { blackout });
}
