import type { LayerTransfer } from '../../core/api/tasks.ts';
import { migrationScope, namespaceScope, objectKey } from '../../core/format/keys.ts';
import { limits } from '../../core/limits.ts';
import type { PullSource } from '../pull/port.ts';
import { scopeOf, storeOf } from './sink.ts';
import type { TaskHost, TaskRun } from './task.ts';

/** The objects of one transfer, from the object store. Its calls fail as those of the store do. */
export function createSource(
  host: TaskHost,
  { store }: TaskRun,
  migration: string,
  transfer: LayerTransfer,
): PullSource {
  const scope = scopeOf(host, migration, transfer);
  const packScopes = {
    namespace: namespaceScope(storeOf(host, transfer)),
    migration: migrationScope(host.namespace, migration),
  };
  return {
    root: (layerId) => store.get(objectKey(scope, 'layers', layerId), { bytesMax: limits.root_bytes_max }),
    segment: (id) => store.get(objectKey(scope, 'segments', id), { bytesMax: limits.segment_bytes_max }),
    placement: (segmentId) =>
      store.get(objectKey(scope, 'placements', segmentId), { bytesMax: limits.placement_bytes_max }),
    range: (packScope, pack, offset, length) =>
      store.get(objectKey(packScopes[packScope], 'packs', pack), { offset, length }),
  };
}
