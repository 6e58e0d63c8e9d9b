import type { MigrationRecord, VmRecord } from '../../core/records.ts';
import { taskIdOf } from '../../core/task.ts';

/** The migration that a task's id begins with. */
export function migrationOfTask(id: string): string {
  return id.slice(0, id.indexOf('.'));
}

/** The tasks that a VM has for itself. */
export function vmTaskIds(migration: string, vm: string): string[] {
  return (['round', 'cutover', 'follow'] as const).map((kind) => taskIdOf(migration, kind, vm));
}

/** Every task that a migration may have posted: read by id they are certain, where a list may lag behind. */
export function allTaskIds(
  migration: Pick<MigrationRecord, 'id' | 'to' | 'registration'>,
  vms: readonly VmRecord[],
): string[] {
  const isRegistration = migration.registration !== undefined;
  const sources = [...new Set([...vms.map((vm) => vm.source), ...(isRegistration ? [migration.to] : [])])];
  return [
    ...(isRegistration ? [taskIdOf(migration.id, 'register', migration.to)] : []),
    ...sources.flatMap((host) => [taskIdOf(migration.id, 'survey', host), taskIdOf(migration.id, 'seed', host)]),
    taskIdOf(migration.id, 'fetch', migration.to),
    ...vms.flatMap((vm) => vmTaskIds(migration.id, vm.name)),
  ];
}
