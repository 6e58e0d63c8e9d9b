import { PUBLIC_NAMESPACE } from '../../core/api/names.ts';
import type { Task } from '../../core/task.ts';
import { layersMoved } from './streams.ts';

/**
 * The namespace to whose store and index a task deduplicates: its own, or the public one if what it pushes is published.
 * Only a registration that an operator asked to publish posts such a task, and nothing but.
 */
export function storeOf({ namespace, input }: Pick<Task, 'namespace' | 'input'>): string {
  return input.kind === 'seed' && layersMoved(input).some(({ published }) => published) ? PUBLIC_NAMESPACE : namespace;
}
