import pLimit from 'p-limit';
import type { CloudPorts } from '../../adapters/cloud-ports.ts';
import { hasCode, LayerMoverError } from '../../core/errors.ts';
import { namespaceScope, objectKey } from '../../core/format/keys.ts';
import { DATA, decodeSegment } from '../../core/format/segment.ts';
import { limits } from '../../core/limits.ts';
import type { Clock, IdleMark, MarkedKind, ObjectReader } from '../../core/ports.ts';

export interface UseDeps extends Pick<CloudPorts, 'idle'> {
  readonly objects: ObjectReader;
  readonly clock: Clock;
}

/**
 * Takes objects of the namespace into use, before anybody is told to rely on them: garbage collection counts their grace
 * anew (docs/adr/0014-garbage.md). Answers those that can't be relied upon, for they are being removed, or were.
 */
export async function leavingAmong(
  deps: UseDeps,
  namespace: string,
  kind: MarkedKind,
  ids: readonly string[],
): Promise<Set<string>> {
  const marks = await deps.idle.find(namespace, kind, ids);
  const used = await pLimit(limits.queries_in_flight).map(marks, async ([id, mark]) => {
    const isSure = mark.removedMs === undefined || (await hasComeBack(deps, namespace, kind, id, mark.removedMs));
    return isSure && (await deps.idle.clear(namespace, kind, id, mark));
  });
  return new Set([...marks.keys()].filter((_, at) => !used[at]));
}

/** The same, and throws OBJECT_LEAVING for the first that can't be relied upon. */
export async function takeIntoUse(deps: UseDeps, namespace: string, kind: MarkedKind, ids: readonly string[]) {
  const [id] = await leavingAmong(deps, namespace, kind, ids);
  if (id === undefined) return;
  throw new LayerMoverError('OBJECT_LEAVING', `${kind} ${id}: nothing needed it for long, and it is being removed`, {
    hint: 'wait for a minute, then store it anew',
    data: { kind, id },
  });
}

/** True if an object that was removed is there again, and whoever removed it has ended for sure. */
async function hasComeBack(
  { objects, clock }: UseDeps,
  namespace: string,
  kind: MarkedKind,
  id: string,
  removedMs: NonNullable<IdleMark['removedMs']>,
): Promise<boolean> {
  if (clock.nowMs() < removedMs + limits.removal_fence_ms) return false;
  const keyOf = (of: MarkedKind | 'placements') => objectKey(namespaceScope(namespace), of, id);
  try {
    if (kind !== 'segments') await objects.tail(keyOf(kind), 1);
    else {
      const segment = decodeSegment(await objects.get(keyOf(kind), { bytesMax: limits.segment_bytes_max }));
      if (segment.count(DATA) > 0) await objects.tail(keyOf('placements'), 1);
    }
    return true;
  } catch (error) {
    if (hasCode(error, 'OBJECT_MISSING')) return false;
    throw error;
  }
}
