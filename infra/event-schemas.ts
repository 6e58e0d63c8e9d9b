import * as z from 'zod';
import {
  HOST_EVACUATE,
  hostEvacuate,
  MIGRATION_REQUESTED,
  migrationRequested,
  requestObject,
  STATE_CHANGED,
  stateChanged,
} from '../core/api/events.ts';

/**
 * JSON Schemas (2020-12) of what events of the bus hold in `detail`, by their detail type, and of the objects that ask for
 * something: made from the schemas by which the functions check what comes in.
 */
export function eventSchemas() {
  // As input, for a reader of ours must take fields that it does not know, too.
  const of = (schema: z.ZodType, description: string) => {
    const { $schema: _, ...plain } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
    return { description, ...plain };
  };
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Events of LayerMover',
    $defs: {
      [MIGRATION_REQUESTED]: of(
        migrationRequested,
        'In, on the stack’s bus: a migration, as POST /migrations takes it.',
      ),
      [HOST_EVACUATE]: of(hostEvacuate, 'In, on the stack’s bus: all VMs of a host are to move.'),
      'requests/*.json': of(requestObject, 'In: an object of the stack’s bucket.'),
      [STATE_CHANGED]: of(
        stateChanged,
        'Out, on the stack’s bus: a migration is in a state. Each state of each run comes once at least, in any order.',
      ),
    },
  };
}
