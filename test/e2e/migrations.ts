import { setTimeout as sleep } from 'node:timers/promises';
import type { ApiClient } from '../../adapters/api/client.ts';
import type { MigrationView } from '../../core/api/views.ts';
import { hasEnded } from '../../core/migration.ts';

const LOOK_MS = 100;
const END_MS_MAX = 150_000;

/** Looks at a migration until `isThere`; throws with what it saw last after END_MS_MAX, or when it ended some other way. */
export async function until(
  api: ApiClient,
  id: string,
  isThere: (view: MigrationView) => boolean,
): Promise<MigrationView> {
  const end = performance.now() + END_MS_MAX;
  for (;;) {
    const view = await api.call('getMigration', { params: { migration: id } });
    if (isThere(view)) return view;
    if (hasEnded(view.state) || performance.now() > end) throw new Error(`not so: ${JSON.stringify(view)}`);
    await sleep(LOOK_MS);
  }
}

export function untilEnded(api: ApiClient, id: string): Promise<MigrationView> {
  return until(api, id, ({ state }) => hasEnded(state));
}
