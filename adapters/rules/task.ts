import { isDeepStrictEqual } from 'node:util';
import type { Task, TaskOutcome } from '../../core/task.ts';
import { plain } from './plain.ts';
import type { Step } from './step.ts';

/** A task as it is posted: the board counts its attempts. */
export type PostedTask = Omit<Task, 'attempt' | 'state' | 'instance' | 'postedMs'>;

/** A fresh token opens the task anew, closed or not, for the workflow waits for that token now; the same token again changes nothing. */
export function postTask(known: Task | undefined, task: PostedTask, nowMs: number): Step<Task, number> {
  if (known?.token === task.token) return { answer: known.attempt };
  const attempt = (known?.attempt ?? 0) + 1;
  return { answer: attempt, next: { ...task, attempt, state: 'waiting', postedMs: nowMs } };
}

export function takeTask(known: Task | undefined, instance: string): Step<Task, number | undefined> {
  if (known === undefined || known.state === 'closed') return { answer: undefined };
  if (known.state === 'running' && known.instance === instance) return { answer: known.attempt };
  const attempt = known.state === 'running' ? known.attempt + 1 : known.attempt;
  return { answer: attempt, next: { ...known, state: 'running', instance, attempt } };
}

export function closeTask(known: Task | undefined, attempt: number, outcome: TaskOutcome): Step<Task, boolean> {
  if (known?.attempt !== attempt) return { answer: false };
  if (known.state === 'closed') return { answer: isDeepStrictEqual(known.outcome, plain(outcome)) };
  return { answer: true, next: { ...known, state: 'closed', outcome } };
}

export function cancelTask(known: Task | undefined): Step<Task, void> {
  if (known === undefined || known.state === 'closed') return { answer: undefined };
  return { answer: undefined, next: { ...known, state: 'closed', outcome: { status: 'cancelled' } } };
}
