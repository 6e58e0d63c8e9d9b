import type { RouteName } from '../../core/api/routes.ts';
import { migrationOfTask } from '../agents/task-ids.ts';
import type { Fields } from '../log.ts';
import type { readCall } from './read-call.ts';

type AnyCall = ReturnType<typeof readCall>;

/** What the lines of a call are about: ids and names, never what it holds. */
export function aboutCall({ namespace, caller, path, query, body }: AnyCall): Fields {
  const task = path.task ?? textOf(query, 'task') ?? textOf(body, 'task');
  const migration = path.migration ?? (task === undefined ? undefined : migrationOfTask(task));
  return {
    namespace,
    caller,
    ...(task === undefined ? {} : { task }),
    ...(migration === undefined ? {} : { migration }),
    ...(path.collection === undefined ? {} : { collection: path.collection }),
    ...(path.site === undefined ? {} : { host: `${path.site}/${path.host}` }),
    ...fieldOf(body, 'vm'),
    ...fieldOf(body, 'request_id'),
  };
}

/** What was just asked for has its id in the answer. */
export function aboutAnswer(route: RouteName, answered: unknown): Fields {
  const id = textOf(answered, 'id');
  if (id === undefined) return {};
  if (route === 'createMigration') return { migration: id };
  return route === 'collectGarbage' ? { collection: id } : {};
}

function fieldOf(value: unknown, name: string): Fields {
  const text = textOf(value, name);
  return text === undefined ? {} : { [name]: text };
}

function textOf(value: unknown, name: string): string | undefined {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return undefined;
  const found = (value as Record<string, unknown>)[name];
  return typeof found === 'string' ? found : undefined;
}
