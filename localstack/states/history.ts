import { runtimeError } from './errors.ts';
import type { Json } from './json.ts';
import { limits } from './limits.ts';

export interface HistoryEvent {
  id: number;
  /** The event that this one follows from; 0 at the start. */
  previousId: number;
  type: string;
  timeMs: number;
  details: Record<string, Json>;
}

/** What happened in an execution, event by event, counted as AWS counts them. */
export class History {
  readonly events: HistoryEvent[] = [];

  /** @throws StatesError States.Runtime when only the place for the last event is left. */
  add(type: string, timeMs: number, details: Record<string, Json>, previousId: number): number {
    if (this.events.length + 1 >= limits.history_events_max) {
      throw runtimeError(`The execution reached the maximum number of history events (${limits.history_events_max}).`);
    }
    return this.#push(type, timeMs, details, previousId);
  }

  /** The event that ends the execution always has its place. */
  end(type: string, timeMs: number, details: Record<string, Json>): void {
    this.#push(type, timeMs, details, this.events.length);
  }

  #push(type: string, timeMs: number, details: Record<string, Json>, previousId: number): number {
    const id = this.events.length + 1;
    this.events.push({ id, previousId, type, timeMs, details });
    return id;
  }
}

/** Details that AWS sends as JSON texts. */
const TEXTS = ['input', 'output', 'parameters'];

/** An event as GetExecutionHistory sends it. */
export function toWire({ id, previousId, type, timeMs, details }: HistoryEvent): Record<string, unknown> {
  const shown = Object.entries(details).map(([key, value]) => [
    key,
    TEXTS.includes(key) ? JSON.stringify(value) : value,
  ]);
  return {
    id,
    previousEventId: previousId,
    timestamp: timeMs / 1_000,
    type,
    ...(shown.length === 0 ? {} : { [detailsKey(type)]: Object.fromEntries(shown) }),
  };
}

function detailsKey(type: string): string {
  const name = type.replace(/^[A-Z][a-z]+State(Entered|Exited)$/, 'State$1');
  return `${name[0]!.toLowerCase()}${name.slice(1)}EventDetails`;
}
