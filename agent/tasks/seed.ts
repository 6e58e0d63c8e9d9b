import type { LayerTransfer, StreamCounts, TaskInput, TaskResult } from '../../core/api/tasks.ts';
import { topOf, withChain } from './chains.ts';
import { layerChanged, sendLayer } from './send.ts';
import type { TaskHost, TaskRun } from './task.ts';

type SeedInput = Extract<TaskInput, { kind: 'seed' }>;

/** Pushes base layers that the destination lacks and the store has not. Errors: those of sendLayer. */
export async function seed(host: TaskHost, run: TaskRun, input: SeedInput): Promise<TaskResult> {
  const streams: StreamCounts[] = [];
  for (const transfer of input.layers) {
    if (transfer.treatment === 'skip' || transfer.stored) continue;
    streams.push(await seedLayer(host, run, input, transfer));
  }
  return { kind: 'seed', streams };
}

async function seedLayer(host: TaskHost, run: TaskRun, input: SeedInput, transfer: LayerTransfer) {
  const known = await host.catalog.byLayer(transfer.stream);
  if (known === undefined) throw layerChanged(transfer.layer.name);
  const image = { path: known.path, topFormat: known.container.format };
  const sent = await withChain(host.images, image, (chain) => sendLayer(host, run, input, transfer, topOf(chain)));
  return sent.counts;
}
