import type { LayerTransfer, TaskInput } from '../../core/api/tasks.ts';
import { layersMoved } from '../agents/streams.ts';
import { bodyInvalid } from '../rest/check.ts';

/** The layer among those that a source's task pushes. Throws BODY_INVALID if the task does not push it. */
export function requirePushed(input: TaskInput, isIt: (layer: LayerTransfer) => boolean, name: string): LayerTransfer {
  const pushes = input.kind === 'seed' || input.kind === 'cutover';
  const layer = pushes ? layersMoved(input).find(isIt) : undefined;
  if (layer === undefined) throw bodyInvalid(`this task does not push ${name}`);
  return layer;
}
