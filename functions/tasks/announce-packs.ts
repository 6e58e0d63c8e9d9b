import { requireTask } from '../agents/access.ts';
import { storeOf } from '../agents/store-of.ts';
import { addRows } from '../packs/add-rows.ts';
import { claimOwner } from '../packs/claim-owner.ts';
import type { Call } from '../rest/call.ts';
import type { TaskDeps } from './deps.ts';

/**
 * Writes the index rows of packs that are durable in the scope of the task's store, then ends the claim of the batch that they
 * hold. Throws as addRows does.
 */
export async function announcePacks(deps: TaskDeps, call: Call<'announcePacks'>) {
  const { attempt, packs, release } = call.body;
  const task = await requireTask(deps, call, call.path.task, attempt);
  await addRows(deps, storeOf(task), packs);
  if (release !== undefined) await deps.index.release(storeOf(task), release, claimOwner(task));
  return { ok: true as const };
}
