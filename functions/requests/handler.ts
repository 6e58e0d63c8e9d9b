import * as z from 'zod';
import {
  HOST_EVACUATE,
  hostEvacuate,
  MIGRATION_REQUESTED,
  migrationRequested,
  requestObject,
} from '../../core/api/events.ts';
import { LayerMoverError } from '../../core/errors.ts';
import { refusalOf } from '../log.ts';
import { check } from '../rest/check.ts';
import { askFor } from './ask.ts';
import type { RequestDeps } from './deps.ts';
import { evacuate } from './evacuate.ts';
import { createdObject, readRequest } from './object.ts';

/** An event as EventBridge delivers it, as far as requests need it. */
const busEvent = z.object({ id: z.string().regex(/^[\w-]{1,48}$/), 'detail-type': z.string(), detail: z.unknown() });

/**
 * Migrations that events ask for: from the bus, from an object in the bucket, from a schedule. The same event again asks
 * for the same migrations. What it throws comes to the dead-letter queue with the event.
 */
export function createHandler(deps: RequestDeps): (event: unknown) => Promise<{ migrations: string[] }> {
  return async (event) => {
    try {
      const { id, 'detail-type': type, detail } = check(busEvent, event, 'event');
      deps.log.about({ event: id, type });
      const migrations = await answer(deps, `event:${id}`, type, detail);
      for (const migration of migrations) deps.log.info('asked for', { migration });
      return { migrations };
    } catch (error) {
      if (error instanceof LayerMoverError) deps.log.warn('refused', refusalOf(error));
      else deps.log.error('failed', error);
      throw error;
    }
  };
}

async function answer(deps: RequestDeps, id: string, type: string, detail: unknown): Promise<string[]> {
  if (type === MIGRATION_REQUESTED) return [await askFor(deps, id, check(migrationRequested, detail, 'detail'))];
  if (type === HOST_EVACUATE) return evacuate(deps, id, check(hostEvacuate, detail, 'detail'));
  if (type === 'Object Created') {
    const object = check(createdObject, detail, 'detail');
    const request = check(requestObject, await readRequest(deps, object), 'object');
    return request.type === MIGRATION_REQUESTED
      ? [await askFor(deps, object.requestId, request)]
      : evacuate(deps, object.requestId, request);
  }
  throw new LayerMoverError('BODY_INVALID', `events of the type ${type} ask for nothing here`);
}
