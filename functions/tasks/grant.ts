import { migrationScope, namespaceScope } from '../../core/format/keys.ts';
import type { Task } from '../../core/task.ts';
import { requireTask } from '../agents/access.ts';
import { layersMoved } from '../agents/streams.ts';
import type { Call } from '../rest/call.ts';
import type { TaskDeps } from './deps.ts';
import { isPush } from './pushed.ts';

/** Short-lived rights on the object store for one task. */
export async function grant(deps: TaskDeps, call: Call<'grant'>) {
  const task = await requireTask(deps, call, call.path.task, call.body.attempt);
  return await deps.granter.grant(task.id, rightsOf(task));
}

/**
 * What a task may write and read (key prefixes). A source writes where the layers that it pushes go: what is deduplicated
 * is the namespace's, what goes direct is the migration's. All may read both, but no other migration's.
 */
export function rightsOf(task: Pick<Task, 'namespace' | 'migration' | 'input'>): { write: string[]; read: string[] } {
  const shared = ['packs', 'placements', 'segments', 'layers'].map(
    (kind) => `${namespaceScope(task.namespace)}/${kind}/`,
  );
  const own = `${migrationScope(task.namespace, task.migration)}/`;
  const treatments = new Set(isPush(task.input) ? layersMoved(task.input).map((layer) => layer.treatment) : []);
  const write = [...(treatments.has('dedup') ? shared : []), ...(treatments.has('direct') ? [own] : [])];
  return { write, read: [...shared, own] };
}
