import { type EventBridgeClient, PutEventsCommand } from '@aws-sdk/client-eventbridge';
import { LayerMoverError } from '../../core/errors.ts';
import type { EventSink } from '../../core/ports.ts';

export const EVENT_SOURCE = 'layermover';

/** Events on an EventBridge bus. Throws EVENT_REFUSED. */
export function createEvents({ client, busName }: { client: EventBridgeClient; busName: string }): EventSink {
  return {
    async emit(event) {
      const { Entries = [] } = await client.send(
        new PutEventsCommand({
          Entries: [
            {
              EventBusName: busName,
              Source: EVENT_SOURCE,
              DetailType: event.type,
              Detail: JSON.stringify(event),
              Time: new Date(event.atMs),
            },
          ],
        }),
      );
      const refused = Entries.find((entry) => entry.ErrorCode !== undefined);
      if (refused !== undefined) {
        throw new LayerMoverError('EVENT_REFUSED', `the bus refused an event: ${refused.ErrorMessage}`, {
          data: { migration: event.migration, state: event.state, error: refused.ErrorCode },
        });
      }
    },
  };
}
