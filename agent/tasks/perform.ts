import type { TaskInput, TaskResult } from '../../core/api/tasks.ts';
import { cutover } from './cutover.ts';
import { fetch } from './fetch.ts';
import { follow } from './follow.ts';
import { seed } from './seed.ts';
import { survey } from './survey.ts';
import type { TaskHost, TaskRun } from './task.ts';

/** Does one task. What it throws is what the task failed with. */
export function perform(host: TaskHost, run: TaskRun, input: TaskInput): Promise<TaskResult> {
  switch (input.kind) {
    case 'survey':
      return survey(host, run, input);
    case 'seed':
      return seed(host, run, input);
    case 'fetch':
      return fetch(host, run, input);
    case 'cutover':
      return cutover(host, run, input);
    case 'follow':
      return follow(host, run, input);
  }
}
