import { randomUUID } from 'node:crypto';
import * as z from 'zod';
import type { Clock } from '../clock.ts';
import { ServiceError } from '../errors.ts';
import type { Refusal } from './entries.ts';
import { Entry, entryBytes, parseDetail, refusal } from './entries.ts';
import { openEventLog } from './event-log.ts';
import { limits } from './limits.ts';

/** An event as EventBridge hands it to targets. */
export interface BusEvent {
  version: '0';
  id: string;
  'detail-type': string;
  source: string;
  account: string;
  time: string;
  region: string;
  resources: string[];
  detail: Record<string, unknown>;
}

/** Sees each event after it is in the log, in order; must not throw. */
export type Listener = (event: BusEvent, busName: string) => void;

export interface PutEventsResult {
  FailedEntryCount: number;
  Entries: ({ EventId: string } | Refusal)[];
}

/** EventBridge as far as the product calls it, in AWS JSON 1.1 (`x-amz-target: AWSEvents.<target>`). */
export interface Events {
  /** Answers PutEvents. @throws ServiceError with AWS's error code */
  call(target: string, body: unknown): Promise<PutEventsResult>;
  /** Puts an event that a service itself emits on the default bus: what clients can't do. */
  emit(event: { source: `aws.${string}`; 'detail-type': string; detail: Record<string, unknown> }): void;
  /** @returns a function that ends the subscription */
  subscribe(listener: Listener): () => void;
}

const PutEvents = z.object({ Entries: z.array(Entry).min(1).max(limits.entries_max) });

/**
 * @param buses names of the buses there are; an entry for another one is refused
 * @param file the log: a line `{"bus", "event"}` for each event, bounded by turning it over
 */
export function createEvents({
  buses,
  account,
  region,
  file,
  clock,
}: {
  buses: readonly string[];
  account: string;
  region: string;
  file: string;
  clock: Clock;
}): Events {
  const append = openEventLog(file);
  const listeners = new Set<Listener>();

  const toEvent = (entry: Entry): BusEvent => ({
    version: '0',
    id: randomUUID(),
    'detail-type': entry.DetailType!,
    source: entry.Source!,
    account,
    time: new Date(entry.Time === undefined ? clock.nowMs() : entry.Time * 1_000).toISOString().replace(/\.\d+Z$/, 'Z'),
    region,
    resources: entry.Resources ?? [],
    detail: parseDetail(entry.Detail!)!,
  });

  const judge = (entry: Entry): Accepted | Refusal => {
    const refused = refusal(entry);
    if (refused !== undefined) return refused;
    const bus = (entry.EventBusName ?? 'default').replace(/^arn:aws:events:[^/]*:event-bus\//, '');
    if (buses.includes(bus)) return { bus, event: toEvent(entry) };
    return { ErrorCode: 'ResourceNotFoundException', ErrorMessage: `Event bus ${bus} does not exist.` };
  };

  const deliver = (accepted: readonly Accepted[]): void => {
    if (accepted.length > 0) append(accepted.map((item) => `${JSON.stringify(item)}\n`).join(''));
    for (const { bus, event } of accepted) for (const listener of listeners) listener(event, bus);
  };

  const putEvents = (entries: Entry[]): PutEventsResult => {
    const judged = entries.map(judge);
    const accepted = judged.filter((item) => 'event' in item);
    deliver(accepted);
    return {
      FailedEntryCount: judged.length - accepted.length,
      Entries: judged.map((item) => ('event' in item ? { EventId: item.event.id } : item)),
    };
  };

  return {
    async call(target, body) {
      if (target !== 'PutEvents') throw new ServiceError('UnknownOperationException', `${target} is not supported`);
      return putEvents(parseEntries(body));
    },
    emit({ source, 'detail-type': DetailType, detail }) {
      const event = toEvent({ Source: source, DetailType, Detail: JSON.stringify(detail) });
      deliver([{ bus: 'default', event }]);
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}

interface Accepted {
  bus: string;
  event: BusEvent;
}

/** @throws ServiceError ValidationException when the call as a whole is not taken */
function parseEntries(body: unknown): Entry[] {
  const parsed = PutEvents.safeParse(body);
  if (!parsed.success) throw new ServiceError('ValidationException', z.prettifyError(parsed.error));
  const bytes = parsed.data.Entries.reduce((sum, entry) => sum + entryBytes(entry), 0);
  if (bytes > limits.request_bytes_max) {
    throw new ServiceError('ValidationException', 'Total size of the entries in the request is over the limit.');
  }
  return parsed.data.Entries;
}
