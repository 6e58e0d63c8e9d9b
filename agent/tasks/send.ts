import type { LayerTransfer, StreamCounts, TaskInput } from '../../core/api/tasks.ts';
import { geometryOf } from '../../core/chunk.ts';
import { topsOf } from '../../core/disks.ts';
import { hasCode, LayerMoverError } from '../../core/errors.ts';
import { fromHex, NO_DIGEST } from '../../core/fingerprint.ts';
import { limits } from '../../core/limits.ts';
import type { DiskLayer } from '../disk/layer.ts';
import { beginAtLevel, noteLoad } from '../measure/load.ts';
import type { PushSink } from '../push/port.ts';
import { pushLayer } from '../push/push-layer.ts';
import { createMeter } from './meter.ts';
import { createSink, scopeOf, storeOf } from './sink.ts';
import { createSource } from './source.ts';
import type { TaskHost, TaskRun } from './task.ts';

/**
 * Pushes one layer as its transfer says, and records it if all of it is in the namespace's store then. What it relied on may
 * just be leaving the store, or never have come to it: then it is sent once more. `packed` is called when the next layer may begin.
 * Errors: LAYER_CHANGED if it is not the layer that was surveyed, and those of pushLayer.
 */
export async function sendLayer(
  host: TaskHost,
  run: TaskRun,
  { migration, chunk_bytes: chunkBytes }: { migration: string; chunk_bytes: number },
  transfer: LayerTransfer,
  layer: DiskLayer,
  packed: () => void = () => undefined,
): Promise<{ layerId: string; counts: StreamCounts }> {
  const sink = countingOn(createSink(host, run, migration, transfer));
  for (let attempt = 1; ; attempt++) {
    try {
      return await sendOnce(host, run, { migration, chunkBytes, sink, packed }, transfer, layer);
    } catch (error) {
      if (!hasCode(error, 'OBJECT_LEAVING', 'PACK_NOT_STORED') || attempt === limits.leaving_attempts_max) throw error;
      host.log.info(
        { migration, layer: transfer.layer.name },
        'what the store had of it, or was to have, is going: it is sent anew',
      );
      run.signal.throwIfAborted();
      if (error.code === 'OBJECT_LEAVING') await host.clock.sleep(limits.leaving_wait_ms, run.signal);
    }
  }
}

/** A push that begins anew goes on counting: a round that is there already is not replaced. */
function countingOn(sink: PushSink): PushSink {
  let rounds = 0;
  return { ...sink, commit: (round) => sink.commit({ ...round, sequence: rounds++ }) };
}

interface Sending {
  readonly migration: string;
  readonly chunkBytes: number;
  readonly sink: PushSink;
  readonly packed: () => void;
}

async function sendOnce(
  host: TaskHost,
  run: TaskRun,
  { migration, chunkBytes, sink, packed }: Sending,
  transfer: LayerTransfer,
  layer: DiskLayer,
): Promise<{ layerId: string; counts: StreamCounts }> {
  const { layer: surveyed, stream, treatment } = transfer;
  const geometry = geometryOf(layer.virtualBytes, chunkBytes);
  const journal = await host.journals.open({ scope: scopeOf(host, migration, transfer), migration, stream, geometry });
  const meter = createMeter(host.clock, run, stream, journal.spent.milliseconds);
  const job = {
    name: surveyed.name,
    layer,
    chunkBytes,
    totalBytes: surveyed.data_bytes,
    pool: host.pool,
    manifests: host.manifests,
    sink,
    clock: host.clock,
    pace: host.pace,
    outbox: host.outbox,
    zstd: host.zstd,
    signal: run.cut,
    drain: run.signal,
    progress: meter,
    before: { journal, source: createSource(host, run, migration, transfer) },
  };
  const pushed = await host.places
    .source(run.signal, (leave) => {
      beginAtLevel(host, surveyed.layer_id, run.limit?.rate.bytesPerSecond);
      const over = () => {
        noteLoad(host, surveyed.layer_id);
        leave();
        packed();
      };
      return pushLayer({ ...job, ...treatmentOf(host, transfer), packed: over });
    })
    .catch((error: unknown) => manifestLost(host, transfer, error))
    .finally(() => journal.close());
  if (pushed.layerId !== (surveyed.layer_id ?? pushed.layerId)) throw layerChanged(layer.path);
  if (treatment === 'dedup') {
    const body = { attempt: run.attempt, layer_id: pushed.layerId, layer: surveyed, chunk_bytes: chunkBytes };
    await host.api.call('recordLayer', { params: { task: run.task }, body, signal: run.signal });
  }
  return { layerId: pushed.layerId, counts: meter(pushed.counts) };
}

/** A task is done for good: what its pushes noted is needed no more. */
export async function forgetJournals({ journals }: TaskHost, input: TaskInput): Promise<void> {
  const pushed = input.kind === 'seed' ? input.layers : input.kind === 'cutover' ? topsOf(input.chain.layers) : [];
  for (const { stream } of pushed) await journals.forget(input.migration, stream);
}

function treatmentOf(host: TaskHost, transfer: LayerTransfer) {
  const { treatment, parent, layer } = transfer;
  if (treatment === 'direct') return { treatment, parent: parent === null ? NO_DIGEST : fromHex(parent) } as const;
  const underway = host.outbox.underway(storeOf(host, transfer));
  return { treatment: 'dedup', layerId: layer.layer_id!, underway } as const;
}

/** A manifest of ours that is damaged goes: the next run reads the layer and makes it again. */
async function manifestLost({ manifests }: TaskHost, { layer }: LayerTransfer, error: unknown): Promise<never> {
  if (!hasCode(error, 'MANIFEST_CORRUPT') || layer.layer_id === undefined) throw error;
  await manifests.remove(layer.layer_id);
  throw new LayerMoverError('MANIFEST_CORRUPT', `the manifest of layer ${layer.name} on this host is damaged`, {
    hint: 'it is removed; `layermover resume ID` reads the layer and makes it again',
    data: { layer: layer.name, ...error.data },
    cause: error,
  });
}

export function layerChanged(path: string): LayerMoverError {
  return new LayerMoverError('LAYER_CHANGED', `${path} is not what it was when the migration began`, {
    hint: 'see that nothing writes to the VM’s images, then run the migration again',
    data: { path },
  });
}
