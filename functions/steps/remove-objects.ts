import { migrationScope, type ObjectKind } from '../../core/format/keys.ts';
import { limits } from '../../core/limits.ts';
import type { MigrationRecord } from '../../core/records.ts';
import type { StepDeps } from './deps.ts';

/** Against the order of durability: what is named goes after what names it. */
const ORDER: readonly ObjectKind[] = ['layers', 'segments', 'placements', 'packs'];

/**
 * Removes what lies in the object store for a migration alone; true when nothing of it is left. What a late agent still
 * writes there the bucket's own rule expires.
 */
export async function removeObjects(
  { objects }: Pick<StepDeps, 'objects'>,
  { namespace, id }: Pick<MigrationRecord, 'namespace' | 'id'>,
): Promise<boolean> {
  let pages = 0;
  for (const kind of ORDER) {
    const prefix = `${migrationScope(namespace, id)}/${kind}/`;
    for (let more = true; more; pages++) {
      if (pages === limits.cleanup_pages_max) return false;
      const keys = await objects.list(prefix, limits.events_list_per_cleanup_max);
      await objects.remove(keys);
      more = keys.length === limits.events_list_per_cleanup_max;
    }
  }
  return true;
}
