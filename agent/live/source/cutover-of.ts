import type { TaskInput } from '../../../core/api/tasks.ts';
import type { TaskHost, TaskRun } from '../../tasks/task.ts';
import type { LiveSession } from '../session.ts';

export type LiveCutoverInput = Extract<TaskInput, { kind: 'cutover' }> & {
  live: NonNullable<Extract<TaskInput, { kind: 'cutover' }>['live']>;
};

/** A running VM’s cutover: what its steps have in common. */
export interface CutoverOf {
  readonly host: TaskHost;
  readonly run: TaskRun;
  readonly input: LiveCutoverInput;
  readonly session: LiveSession;
}
