import type * as z from 'zod';
import type { migrationRequested } from '../../core/api/events.ts';
import { create } from '../migrations/create.ts';
import type { RequestDeps } from './deps.ts';

/** Creates the migration that is asked for, or finds it; answers its id. */
export async function askFor(
  deps: RequestDeps,
  eventId: string,
  { namespace, request_id = eventId, ...asked }: z.output<typeof migrationRequested>,
): Promise<string> {
  const { id } = await create(deps, { namespace, body: { ...asked, request_id } });
  return id;
}
