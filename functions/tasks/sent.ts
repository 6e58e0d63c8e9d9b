import pLimit from 'p-limit';
import type { LayerTransfer } from '../../core/api/tasks.ts';
import { LayerMoverError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import type { MigrationStore } from '../../core/ports.ts';
import { roundsBegin } from '../../core/records.ts';
import type { Task } from '../../core/task.ts';

/**
 * Refuses (LAYER_NOT_SENT) that base layers were sent of which the last round was not committed: their destination would wait for
 * it until its task's time is over.
 */
export async function assertSent(
  { migrations }: { migrations: Pick<MigrationStore, 'lastRound'> },
  { migration, input }: Pick<Task, 'migration' | 'input'>,
): Promise<void> {
  if (input.kind !== 'seed') return;
  const sent = input.layers.filter(({ treatment, stored }) => treatment !== 'skip' && !stored);
  await pLimit(limits.queries_in_flight).map(sent, async (layer) => {
    const last = await migrations.lastRound(migration, layer.stream);
    const isWhole = last?.layerId !== undefined && last.cursor > roundsBegin(input.run);
    if (!isWhole) throw notSent(layer);
  });
}

function notSent({ stream, layer }: LayerTransfer): LayerMoverError {
  return new LayerMoverError('LAYER_NOT_SENT', `${layer.name} is reported as sent, and its last round is not there`, {
    hint: 'bring the source’s agent and the functions to the same version; `layermover resume ID` sends what is missing',
    data: { layer: layer.name, stream },
  });
}
