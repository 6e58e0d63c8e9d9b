import type { ApiClient } from '../adapters/api/client.ts';
import { systemClock } from '../adapters/system/clock.ts';
import type { MigrationView } from '../core/api/views.ts';
import { hasEnded } from '../core/migration.ts';
import { progress } from './output/progress.ts';

const LOOK_EVERY_MS = 400;

/** Shows a migration until it has ended, and answers how. */
export async function watch(
  client: ApiClient,
  id: string,
  json: boolean,
  signal?: AbortSignal,
): Promise<MigrationView> {
  const shown = progress({ json, nowMs: () => systemClock.nowMs() });
  try {
    for (;;) {
      const migration = await client.call('getMigration', { params: { migration: id } });
      shown.show(migration);
      if (hasEnded(migration.state)) return migration;
      await systemClock.sleep(LOOK_EVERY_MS, signal);
    }
  } finally {
    shown.stop();
  }
}

/** The last JSON line of a migration: what happened to each VM and each of its layers. */
export function summary(migrations: readonly MigrationView[]) {
  return { vms: migrations.flatMap((migration) => migration.vms.map((vm) => ({ ...vm, equal: vm.equal ?? false }))) };
}
