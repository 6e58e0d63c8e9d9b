import type { CloudPorts } from '../../adapters/cloud-ports.ts';
import { contention } from '../../adapters/rules/refusals.ts';
import { type CollectionRun, isCollecting, NOTHING_COUNTED } from '../../core/garbage.ts';
import type { Clock } from '../../core/ports.ts';

interface BeginDeps extends Pick<CloudPorts, 'collections'> {
  readonly clock: Clock;
}

/**
 * Makes the record of a collection, unless another one has the namespace to itself; answers the one that has it. The same
 * again changes nothing.
 */
export async function begin(
  { collections, clock }: BeginDeps,
  { namespace, id, dryRun }: Pick<CollectionRun, 'namespace' | 'id' | 'dryRun'>,
): Promise<CollectionRun> {
  const last = await collections.find(namespace);
  const nowMs = clock.nowMs();
  if (last?.id === id || isCollecting(last, nowMs)) return last;
  const run: CollectionRun = {
    namespace,
    id,
    dryRun,
    state: 'running',
    page: 0,
    phase: 'records',
    startedMs: nowMs,
    updatedMs: nowMs,
    counts: NOTHING_COUNTED,
  };
  if (await collections.replace(last, run)) return run;
  const other = await collections.find(namespace);
  if (other !== undefined && isCollecting(other, nowMs)) return other;
  throw contention(`the garbage collection of ${namespace}`);
}
