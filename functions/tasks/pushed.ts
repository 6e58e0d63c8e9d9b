import type { LayerTransfer, TaskInput } from '../../core/api/tasks.ts';
import { layersMoved } from '../agents/streams.ts';
import { bodyInvalid } from '../rest/check.ts';

/** True for tasks of a source that put layers into the store. */
export function isPush({ kind }: TaskInput): boolean {
  return kind === 'seed' || kind === 'round' || kind === 'cutover';
}

/** The layer among those that a source's task pushes. Throws BODY_INVALID if the task does not push it. */
export function requirePushed(input: TaskInput, isIt: (layer: LayerTransfer) => boolean, name: string): LayerTransfer {
  const layer = isPush(input) ? layersMoved(input).find(isIt) : undefined;
  if (layer === undefined) throw bodyInvalid(`this task does not push ${name}`);
  return layer;
}
