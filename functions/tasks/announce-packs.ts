import { isHook, toHex } from '../../core/fingerprint.ts';
import { requireTask } from '../agents/access.ts';
import { claimOwner } from '../packs/claim-owner.ts';
import { readFooter } from '../packs/read-footer.ts';
import type { Call } from '../rest/call.ts';
import type { TaskDeps } from './deps.ts';

/**
 * Writes the index rows of packs that are durable in the namespace's scope, from their own footers, then ends the claim
 * of the batch that they hold. Throws OBJECT_MISSING or FORMAT_REFUSED for a pack that is not what its id says.
 */
export async function announcePacks(deps: TaskDeps, call: Call<'announcePacks'>) {
  const { attempt, packs, release } = call.body;
  const task = await requireTask(deps, call, call.path.task, attempt);
  const footers = await Promise.all(packs.map((pack) => readFooter(deps.objects, task.namespace, pack)));
  for (const [at, { chunks }] of footers.entries()) {
    const hooks = chunks.filter((chunk) => isHook(chunk.fingerprint, deps.sampling));
    const names = new Set(hooks.map((chunk) => toHex(chunk.fingerprint)));
    await deps.index.add(task.namespace, [...names], packs[at]!);
  }
  if (release !== undefined) await deps.index.release(task.namespace, release, claimOwner(task));
  return { ok: true as const };
}
