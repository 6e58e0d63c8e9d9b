import type { TaskInput } from '../../core/api/tasks.ts';
import type { Receipt } from '../../core/receipt.ts';
import { sendable } from './receipts.ts';
import type { TaskHost, TaskRun } from './task.ts';

/** Commits a VM to its destination, fenced by the epoch. Errors: EPOCH_STALE and those of the API. */
export async function commitVm(
  host: Pick<TaskHost, 'api' | 'log'>,
  run: Pick<TaskRun, 'task' | 'attempt' | 'signal'>,
  { migration, epoch }: Extract<TaskInput, { kind: 'cutover' }>,
  receipt: Receipt,
  { wasRunning = true }: { wasRunning?: boolean } = {},
): Promise<void> {
  const { vm } = receipt;
  const how = wasRunning ? {} : { paused: true as const };
  const body = { task: run.task, attempt: run.attempt, vm, epoch, receipt: sendable(receipt), ...how };
  await host.api.call('commitMigration', { params: { migration }, body, signal: run.signal });
  host.log.info({ migration, vm }, 'the VM is committed: it is the destination’s');
}
