import type { VmRecord } from '../../core/records.ts';
import type { Task } from '../../core/task.ts';
import { bodyInvalid } from '../rest/check.ts';

/** The VM that a destination's task follows. Throws BODY_INVALID for another kind of task. */
export function followed({ id, input }: Task): Pick<VmRecord, 'name' | 'run'> {
  if (input.kind !== 'follow') throw bodyInvalid(`${id} follows no VM`);
  return { name: input.chain.vm, run: input.run };
}
