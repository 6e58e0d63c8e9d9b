import type { EventSink, MigrationEvent } from '../../core/ports.ts';

/** Keeps what was emitted, in order. */
export function createMemoryEvents(): EventSink & { readonly emitted: readonly MigrationEvent[] } {
  const emitted: MigrationEvent[] = [];
  return {
    emitted,
    async emit(event) {
      emitted.push({ ...event });
    },
  };
}
