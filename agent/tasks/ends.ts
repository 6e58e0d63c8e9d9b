import type { ApiClient } from '../../adapters/api/client.ts';
import { hasCode } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import { hasEnded } from '../../core/migration.ts';
import type { Clock } from '../../core/ports.ts';
import { isRefusal } from '../daemon/patient-client.ts';

/** How a migration stands: `open` if it runs or the cloud does not tell, `resumable` if it failed and may still go on. */
export type End = 'open' | 'resumable' | 'failed' | 'aborted' | 'committed';

/** How each of the migrations stands, by id. Errors: those of the API but refusals. */
export async function endsOf(
  { api, clock }: { api: ApiClient; clock: Clock },
  migrations: readonly string[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, End>> {
  const ends = new Map<string, End>();
  for (const migration of new Set(migrations)) ends.set(migration, await endOf(api, migration, clock.nowMs(), signal));
  return ends;
}

async function endOf(api: ApiClient, migration: string, nowMs: number, signal: AbortSignal): Promise<End> {
  try {
    const view = await api.call('getMigration', { params: { migration }, signal });
    if (!hasEnded(view.state)) return 'open';
    // Nothing came of a plan.
    if (view.state === 'planned') return 'aborted';
    if (view.state !== 'failed') return view.state as End;
    return nowMs - view.created_ms > limits.resume_seconds_max * 1000 ? 'failed' : 'resumable';
  } catch (error) {
    if (hasCode(error, 'MIGRATION_UNKNOWN')) return 'failed';
    if (isRefusal(error)) return 'open';
    throw error;
  }
}
