import type { CollectionRun } from '../../core/garbage.ts';
import type { CollectionRuns } from '../../core/ports.ts';
import { plain } from '../rules/plain.ts';

/** The last garbage collection of each namespace in memory. */
export function createMemoryCollectionRuns(): CollectionRuns {
  const runs = new Map<string, CollectionRun>();

  return {
    async find(namespace) {
      const known = runs.get(namespace);
      return known && plain(known);
    },
    async replace(seen, run) {
      const known = runs.get(run.namespace);
      if (known?.id === run.id && known.page === run.page && known.updatedMs === run.updatedMs) return true;
      if (known?.id !== seen?.id || known?.page !== seen?.page) return false;
      runs.set(run.namespace, plain(run));
      return true;
    },
  };
}
