import type { ApiClient } from '../adapters/api/client.ts';
import { systemClock } from '../adapters/system/clock.ts';
import type { RegistrationView } from '../core/api/registrations.ts';

const LOOK_EVERY_MS = 400;

/** How far a registration is, until it has ended. Throws what the API refuses with, or the signal's reason. */
export async function* registration(
  client: ApiClient,
  id: string,
  signal: AbortSignal,
): AsyncGenerator<RegistrationView> {
  for (;;) {
    const view = await client.call('getRegistration', { params: { migration: id }, signal });
    yield view;
    if (hasRegistered(view)) return;
    await systemClock.sleep(LOOK_EVERY_MS, signal);
  }
}

export function hasRegistered({ state }: Pick<RegistrationView, 'state'>): boolean {
  return state !== 'fingerprinting' && state !== 'publishing';
}
