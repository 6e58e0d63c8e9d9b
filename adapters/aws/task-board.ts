import { limits } from '../../core/limits.ts';
import type { Clock, TaskBoard } from '../../core/ports.ts';
import type { Task } from '../../core/task.ts';
import { cancelTask, closeTask, postTask, takeTask } from '../rules/task.ts';
import { openCells } from './cells.ts';
import type { Expression } from './expression.ts';
import { readItem, taskItem } from './items.ts';
import type { Table } from './table.ts';
import type { Item } from './table-options.ts';

/** Tasks for agents in the `tasks` table. Closed ones are deleted after a while. */
export function createTaskBoard(table: Table, clock: Clock): TaskBoard {
  const tasks = openCells(table, taskItem, toItem);

  function toItem(task: Task): Item {
    if (task.state !== 'closed') return { ...task, open_for: `${task.namespace}#${task.host}` };
    return { ...task, expires_s: Math.ceil(clock.nowMs() / 1000) + limits.closed_task_kept_seconds };
  }

  /** The index gives keys and may lag behind; what a task is says the table. */
  async function select(index: string, where: Expression): Promise<Task[]> {
    const keys = await table.query({ index, where });
    const items = await table.getMany(keys.map(({ pk }) => ({ pk: String(pk) })));
    return items.map((item) => readItem(taskItem, item)).sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  return {
    post: (task) => tasks.step({ pk: task.id }, (known) => postTask(known, task, clock.nowMs())),
    find: (id) => tasks.read({ pk: id }),
    async open(namespace, host) {
      const found = await select('open', { text: '#open_for = :host', values: { host: `${namespace}#${host}` } });
      return found.filter((task) => task.state !== 'closed');
    },
    ofMigration: (migration) => select('by_migration', { text: '#migration = :migration', values: { migration } }),
    take: (id, instance) => tasks.step({ pk: id }, (known) => takeTask(known, instance)),
    close: (id, attempt, outcome) => tasks.step({ pk: id }, (known) => closeTask(known, attempt, outcome)),
    cancel: (id) => tasks.step({ pk: id }, cancelTask),
  };
}
