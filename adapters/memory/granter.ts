import { limits } from '../../core/limits.ts';
import type { Clock, Granter } from '../../core/ports.ts';

export interface MemoryGranter extends Granter {
  /** What was granted, in order; the access key id of the grant at `i` is `GRANT<i>`. */
  readonly granted: readonly {
    readonly session: string;
    readonly write: readonly string[];
    readonly read: readonly string[];
  }[];
}

/** Grants that open nothing but tell what they would open. */
export function createMemoryGranter(clock: Clock, bucket = 'memory'): MemoryGranter {
  const granted: { session: string; write: readonly string[]; read: readonly string[] }[] = [];
  return {
    granted,
    async grant(session, { write, read }) {
      const accessKeyId = `GRANT${granted.push({ session, write: [...write], read: [...read] }) - 1}`;
      return {
        bucket,
        region: 'eu-central-1',
        credentials: { accessKeyId, secretAccessKey: `secret of ${accessKeyId}`, sessionToken: session },
        expiresMs: clock.nowMs() + limits.grant_seconds * 1000,
      };
    },
  };
}
