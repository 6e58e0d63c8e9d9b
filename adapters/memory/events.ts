import type { StateChanged } from '../../core/api/events.ts';
import type { EventSink } from '../../core/ports.ts';

/** Keeps what was emitted, in order. */
export function createMemoryEvents(): EventSink & { readonly emitted: readonly StateChanged[] } {
  const emitted: StateChanged[] = [];
  return {
    emitted,
    async emit(event) {
      emitted.push({ ...event });
    },
  };
}
