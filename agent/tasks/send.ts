import type { LayerTransfer, StreamCounts } from '../../core/api/tasks.ts';
import { LayerMoverError } from '../../core/errors.ts';
import { fromHex, NO_DIGEST } from '../../core/fingerprint.ts';
import type { DiskLayer } from '../disk/layer.ts';
import { pushLayer } from '../push/push-layer.ts';
import { createMeter } from './meter.ts';
import { createSink } from './sink.ts';
import type { TaskHost, TaskRun } from './task.ts';

/**
 * Pushes one layer as its transfer says, and records it if all of it is in the namespace's store then.
 * Errors: LAYER_CHANGED if it is not the layer that was surveyed, and those of pushLayer.
 */
export async function sendLayer(
  host: TaskHost,
  run: TaskRun,
  { migration, chunk_bytes: chunkBytes }: { migration: string; chunk_bytes: number },
  transfer: LayerTransfer,
  layer: DiskLayer,
): Promise<{ layerId: string; counts: StreamCounts }> {
  const { layer: surveyed, parent, stream, treatment } = transfer;
  const meter = createMeter(host.clock, run, stream);
  const job = {
    name: surveyed.name,
    layer,
    chunkBytes,
    totalBytes: surveyed.data_bytes,
    pool: host.pool,
    manifests: host.manifests,
    sink: createSink(host, run, migration, transfer),
    clock: host.clock,
    signal: run.signal,
    progress: meter,
  };
  const pushed = await host.places.source(run.signal, () =>
    treatment === 'direct'
      ? pushLayer({ ...job, treatment, parent: parent === null ? NO_DIGEST : fromHex(parent) })
      : pushLayer({ ...job, treatment: 'dedup', layerId: surveyed.layer_id! }),
  );
  if (pushed.layerId !== (surveyed.layer_id ?? pushed.layerId)) throw layerChanged(layer.path);
  if (treatment === 'dedup') {
    const body = { attempt: run.attempt, layer_id: pushed.layerId, layer: surveyed, chunk_bytes: chunkBytes };
    await host.api.call('recordLayer', { params: { task: run.task }, body, signal: run.signal });
  }
  return { layerId: pushed.layerId, counts: meter(pushed.counts) };
}

export function layerChanged(path: string): LayerMoverError {
  return new LayerMoverError('LAYER_CHANGED', `${path} is not what it was when the migration began`, {
    hint: 'see that nothing writes to the VM’s images, then run the migration again',
    data: { path },
  });
}
