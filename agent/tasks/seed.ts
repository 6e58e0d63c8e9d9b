import type { LayerTransfer, TaskInput, TaskResult } from '../../core/api/tasks.ts';
import { limits } from '../../core/limits.ts';
import { ahead } from '../flow/ahead.ts';
import { topOf, withChain } from './chains.ts';
import { layerChanged, sendLayer } from './send.ts';
import type { TaskHost, TaskRun } from './task.ts';

type SeedInput = Extract<TaskInput, { kind: 'seed' }>;

/** Pushes base layers that the destination lacks and the store has not. Errors: those of sendLayer. */
export async function seed(host: TaskHost, run: TaskRun, input: SeedInput): Promise<TaskResult> {
  const missing = input.layers.filter(({ treatment, stored }) => treatment !== 'skip' && !stored);
  const streams = await ahead(missing, limits.layers_seeded_at_once, run.signal, (transfer, { signal, next }) =>
    seedLayer(host, { ...run, signal }, input, transfer, next),
  );
  return { kind: 'seed', streams };
}

async function seedLayer(host: TaskHost, run: TaskRun, input: SeedInput, transfer: LayerTransfer, packed: () => void) {
  const known = await host.catalog.byLayer(transfer.stream);
  if (known === undefined) throw layerChanged(transfer.layer.name);
  const image = { path: known.path, topFormat: known.container.format };
  const sent = await withChain(host.images, image, (chain) =>
    sendLayer(host, run, input, transfer, topOf(chain), packed),
  );
  return sent.counts;
}
