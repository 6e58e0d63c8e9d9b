import { migrationId } from '../../core/api/names.ts';
import { migrationScope, namespaceScope } from '../../core/format/keys.ts';
import type { Fate } from '../../core/garbage.ts';
import { limits } from '../../core/limits.ts';
import { hasEnded } from '../../core/migration.ts';
import type { MigrationRecord } from '../../core/records.ts';
import type { Page } from './page.ts';

/**
 * Removes what migrations that are over left in their scopes: late agents, and those who failed and were not resumed.
 * What is of no migration that is known is left to the bucket's own expiry.
 */
export async function sweepMigrations(page: Page, after?: string): Promise<string | undefined> {
  const { deps, namespace } = page;
  const prefix = `${namespaceScope(namespace)}/migrations/`;
  for (let last = after; ; ) {
    const start = last === undefined ? undefined : prefix + last;
    const objects = await deps.objects.sizes(prefix, limits.collection_objects_max, start);
    const scope = objects[0]?.key.slice(prefix.length).split('/')[0];
    if (scope === undefined) return undefined;
    const own = objects.filter(({ key }) => key.startsWith(`${prefix}${scope}/`));
    const fate = await fateOf(page, scope);
    if (fate === 'removed' && !page.isDry) await deps.objects.remove(own.map(({ key }) => key));
    for (const { bytes } of own) page.count('migrations', fate, bytes);
    last = own.at(-1)?.key.slice(prefix.length) ?? scope;
    if (page.isOver) return last;
  }
}

async function fateOf({ deps, namespace, run }: Page, scope: string): Promise<Fate> {
  if (!migrationId.safeParse(scope).success) return 'waiting';
  const record = await deps.migrations.find(scope);
  if (record === undefined || migrationScope(record.namespace, scope) !== migrationScope(namespace, scope))
    return 'waiting';
  if (!hasEnded(record.state)) return 'needed';
  return isOver(record, run.startedMs) ? 'removed' : 'needed';
}

/** Nobody can resume it, nor tidies up after it, any more. */
function isOver({ state, createdMs, endedMs = createdMs }: MigrationRecord, nowMs: number): boolean {
  const sinceMs = state === 'failed' ? createdMs + limits.resume_seconds_max * 1000 : endedMs;
  return nowMs - sinceMs >= 24 * 3600_000;
}
