import type { ApiClient } from '../adapters/api/client.ts';
import { systemClock } from '../adapters/system/clock.ts';
import { systemRandom } from '../adapters/system/random.ts';
import type { CollectionView } from '../core/api/garbage.ts';
import { toHex } from '../core/fingerprint.ts';

const LOOK_EVERY_MS = 400;

/** Begins a garbage collection and tells how far it is, until it has ended. Throws what the API refuses with, or the signal's reason. */
export async function* collect(
  client: ApiClient,
  dryRun: boolean,
  signal: AbortSignal,
): AsyncGenerator<CollectionView> {
  const id = `g${toHex(systemRandom.bytes(10))}`;
  let view = await client.call('collectGarbage', { body: { id, dry_run: dryRun }, signal });
  for (;;) {
    yield view;
    if (view.state !== 'running') return;
    await systemClock.sleep(LOOK_EVERY_MS, signal);
    view = await client.call('getCollection', { params: { collection: id }, signal });
  }
}
