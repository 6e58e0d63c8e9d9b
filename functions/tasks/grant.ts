import { PUBLIC_NAMESPACE } from '../../core/api/names.ts';
import { migrationScope, namespaceScope, OBJECT_KINDS } from '../../core/format/keys.ts';
import type { Task } from '../../core/task.ts';
import { requireTask } from '../agents/access.ts';
import { storeOf } from '../agents/store-of.ts';
import { layersMoved } from '../agents/streams.ts';
import type { Call } from '../rest/call.ts';
import { bodyInvalid } from '../rest/check.ts';
import type { TaskDeps } from './deps.ts';
import { isPush } from './pushed.ts';

/** Short-lived rights on the object store for one task. Throws BODY_INVALID for a task that touches no objects. */
export async function grant(deps: TaskDeps, call: Call<'grant'>) {
  const task = await requireTask(deps, call, call.path.task, call.body.attempt);
  const rights = rightsOf(task);
  if (rights.read.length === 0) throw bodyInvalid(`${task.id} touches no objects: it is a ${task.input.kind}`);
  return await deps.granter.grant(task.id, rights);
}

/**
 * What a task may write and read (key prefixes). A source writes where the layers that it pushes go: what is deduplicated
 * is the namespace's, or all namespaces' if it is published, what goes direct is the migration's. All that move layers may
 * read all three, but no other migration's and no other namespace's; a survey and a registration look at disks alone.
 */
export function rightsOf(task: Pick<Task, 'namespace' | 'migration' | 'input'>): { write: string[]; read: string[] } {
  if (task.input.kind === 'survey' || task.input.kind === 'register') return { write: [], read: [] };
  const sharedIn = (namespace: string) => OBJECT_KINDS.map((kind) => `${namespaceScope(namespace)}/${kind}/`);
  const own = `${migrationScope(task.namespace, task.migration)}/`;
  const treatments = new Set(isPush(task.input) ? layersMoved(task.input).map((layer) => layer.treatment) : []);
  const write = [
    ...(treatments.has('dedup') ? sharedIn(storeOf(task)) : []),
    ...(treatments.has('direct') ? [own] : []),
  ];
  return { write, read: [...sharedIn(task.namespace), own, `${namespaceScope(PUBLIC_NAMESPACE)}/`] };
}
