import type { HostRef } from '../../core/api/names.ts';
import type { HostRecord } from '../../core/ports.ts';

/** A host that an identity was bound to and that its agent has not enrolled yet. */
export function boundHost(ref: HostRef, caller: string): HostRecord {
  return { ref, caller, version: '', vms: [], freeBytes: 0, seenMs: 0 };
}
