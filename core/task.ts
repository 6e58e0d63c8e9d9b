import type { HostRef } from './api/names.ts';
import type { TaskInput, TaskKind, TaskResult } from './api/tasks.ts';
import type { ErrorJson } from './errors.ts';

export type TaskOutcome =
  | { readonly status: 'done'; readonly result: TaskResult }
  | { readonly status: 'failed'; readonly error: ErrorJson }
  | { readonly status: 'cancelled' };

/** Work for one agent, posted by a workflow state that waits for its token. */
export interface Task {
  readonly id: string;
  readonly namespace: string;
  readonly migration: string;
  readonly host: HostRef;
  readonly input: TaskInput;
  /** The workflow's; never leaves the functions. */
  readonly token: string;
  /** When this token's task was posted. */
  readonly postedMs: number;
  /** 1 at first; grows each time the task is handed out anew. Calls of older attempts are refused. */
  readonly attempt: number;
  readonly state: 'waiting' | 'running' | 'closed';
  /** The agent run that holds it. */
  readonly instance?: string | undefined;
  readonly outcome?: TaskOutcome | undefined;
}

/** The id of a task: its migration, its kind and what it is about, a VM or a host (`site/host`). */
export function taskIdOf(migration: string, kind: TaskKind, what: string): string {
  return `${migration}.${kind}.${what.replace('/', '.')}`;
}
