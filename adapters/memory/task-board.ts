import type { Clock, TaskBoard } from '../../core/ports.ts';
import type { Task } from '../../core/task.ts';
import { cancelTask, closeTask, postTask, takeTask } from '../rules/task.ts';
import { createCells } from './cells.ts';

/** Tasks for agents in memory. */
export function createMemoryTaskBoard(clock: Clock): TaskBoard {
  const tasks = createCells<Task>();

  return {
    async post(task) {
      return tasks.step(task.id, (known) => postTask(known, task, clock.nowMs()));
    },
    async find(id) {
      return tasks.read(id);
    },
    async open(namespace, host) {
      return tasks.all((task) => task.state !== 'closed' && task.namespace === namespace && task.host === host);
    },
    async ofMigration(migration) {
      return tasks.all((task) => task.migration === migration);
    },
    async take(id, instance) {
      return tasks.step(id, (known) => takeTask(known, instance));
    },
    async close(id, attempt, outcome) {
      return tasks.step(id, (known) => closeTask(known, attempt, outcome));
    },
    async cancel(id) {
      tasks.step(id, cancelTask);
    },
  };
}
