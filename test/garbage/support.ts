import { randomBytes } from 'node:crypto';
import type { CloudPorts } from '../../adapters/cloud-ports.ts';
import { systemClock } from '../../adapters/system/clock.ts';
import { systemRandom } from '../../adapters/system/random.ts';
import { OBJECT_KINDS } from '../../core/format/keys.ts';
import type { CollectionRun } from '../../core/garbage.ts';
import { limits } from '../../core/limits.ts';
import { createHandler } from '../../functions/gc/handler.ts';
import { createTelling } from '../functions/support/telling.ts';
import { idsOf } from '../rebuild/support.ts';

const NAMESPACE = 'default';

export function newId(): string {
  return `g${randomBytes(10).toString('hex')}`;
}

/** The states of garbage collection over these ports, one page a call. */
export function pagesOf(ports: CloudPorts, layerUnusedDays: number = limits.layer_unused_days_default) {
  const { log: quiet, measure } = createTelling();
  const error = (_: string, error: unknown) => {
    throw error;
  };
  const log = { ...quiet, error };
  return createHandler({
    ...ports,
    clock: systemClock,
    random: systemRandom,
    sampling: 1,
    layerUnusedDays,
    log,
    measure,
  });
}

/** A collection from its first page to its last. Throws what a page fails with. */
export async function collect(
  ports: CloudPorts,
  {
    dryRun = false,
    layerUnusedDays = limits.layer_unused_days_default as number,
    collection = newId(),
    namespace = NAMESPACE,
  } = {},
): Promise<CollectionRun> {
  const step = pagesOf(ports, layerUnusedDays);
  const about = { namespace, collection };
  await step({ step: 'begin', ...about, dry_run: dryRun });
  while (((await step({ step: 'collect', ...about })) as { more: boolean }).more);
  return (await ports.collections.find(namespace))!;
}

/** Makes as if every mark were older than the grace, and every removal long over. */
export async function age(
  { objects, idle }: CloudPorts,
  gone: readonly (readonly [Kind, string])[] = [],
): Promise<void> {
  const longAgo = Date.now() - limits.garbage_grace_ms - 1000;
  const there = await Promise.all(
    OBJECT_KINDS.map(async (kind) => (await idsOf(objects, kind)).map((id) => [marked(kind), id] as const)),
  );
  for (const [kind, id] of [...there.flat(), ...gone]) {
    const mark = (await idle.find(NAMESPACE, kind, [id])).get(id);
    if (mark === undefined) continue;
    await idle.clear(NAMESPACE, kind, id, mark);
    await idle.mark(NAMESPACE, kind, id, longAgo);
    if (mark.removedMs !== undefined) await idle.remove(NAMESPACE, kind, id, { sinceMs: longAgo }, longAgo + 1);
  }
}

type Kind = 'packs' | 'segments' | 'layers';

function marked(kind: (typeof OBJECT_KINDS)[number]): Kind {
  return kind === 'placements' ? 'segments' : kind;
}

/** Every object of the namespace, by its key. */
export function keysOf({ objects }: CloudPorts): Promise<string[]> {
  return objects.list(`ns/${NAMESPACE}/`, 10_000);
}
