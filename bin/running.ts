import { isDeepStrictEqual } from 'node:util';
import type { ApiClient } from '../adapters/api/client.ts';
import { liveOptions, type MigrationRequest } from '../core/api/views.ts';
import { limits } from '../core/limits.ts';
import { hasEnded } from '../core/migration.ts';

/**
 * The id of a migration that does already what is asked for: the same VMs, to the same host, in the same way. Whoever
 * lost the terminal that showed it asks for it once more.
 */
export async function findRunning(client: ApiClient, wanted: MigrationRequest): Promise<string | undefined> {
  const { migrations } = await client.call('listMigrations', { query: { limit: limits.page_items_max } });
  const same = migrations.find(
    (each) =>
      !hasEnded(each.state) &&
      !each.abort_requested &&
      (each.plan_only ?? false) === wanted.plan_only &&
      each.to === wanted.to &&
      each.policy === wanted.policy &&
      each.mode === wanted.mode &&
      isDeepStrictEqual(each.live, optionsOf(wanted)) &&
      each.max_rate_bytes_per_second === wanted.max_rate_bytes_per_second &&
      isDeepStrictEqual(each.vm_names.toSorted(), wanted.vms.toSorted()),
  );
  return same?.id;
}

/** As the API tells them: those that were left out have their defaults there. */
function optionsOf({ mode, live }: MigrationRequest): MigrationRequest['live'] {
  return mode === 'live' ? (live ?? liveOptions.parse({})) : undefined;
}
