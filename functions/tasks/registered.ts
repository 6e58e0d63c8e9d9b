import { RUNNING } from '../../core/migration.ts';
import type { RegisteredLayer } from '../../core/records.ts';
import type { Task } from '../../core/task.ts';
import type { TaskDeps } from './deps.ts';

/**
 * Notes what a registration found: what the layers are, and that the host has them. Nothing of them is in the store by that.
 * Each part may be done again.
 */
export async function storeRegistered(
  { layers: catalog, migrations, clock }: TaskDeps,
  { namespace, migration, host, input }: Task,
  found: readonly Omit<RegisteredLayer, 'published'>[],
): Promise<void> {
  const record = await migrations.find(migration);
  if (input.kind !== 'register' || record?.registration === undefined) return;
  const recordedMs = clock.nowMs();
  for (const layer of found) {
    await catalog.register(namespace, {
      layerId: layer.layer_id,
      parent: layer.parent,
      kind: layer.kind,
      name: layer.name,
      virtualBytes: layer.virtual_bytes,
      chunkBytes: input.chunk_bytes,
      dataBytes: layer.data_bytes,
      recordedMs,
    });
  }
  const ids = found.map(({ layer_id }) => layer_id);
  await catalog.announce(namespace, host, ids);
  const layers = found.map((layer) => ({ ...layer, published: false }));
  await migrations.update({ id: migration, run: input.run }, RUNNING, {
    registration: { ...record.registration, layers },
  });
}
