import { hasEnded } from '../../../core/migration.ts';
import type { Ports } from '../world/cloud.ts';
import { neededBy } from './needed.ts';
import type { Violations } from './violations.ts';

/**
 * Garbage collection, watched: what a layer record or a round of a migration that runs, or may be resumed, hangs on is
 * never removed, and nothing is recorded or committed that is not whole. `objects` are the bytes of all objects, as those
 * who watch the store see them.
 */
export function watchStore(ports: Ports, objects: ReadonlyMap<string, Buffer>, violations: Violations): Ports {
  const { layers, migrations } = ports;
  /** Segments of the namespace that rounds name, by migration. */
  const rounds = new Map<string, Set<string>>();

  async function inUse(): Promise<string[]> {
    const named: string[] = [];
    for (const [id, segments] of rounds) {
      const record = await migrations.find(id);
      const isOver = record !== undefined && hasEnded(record.state) && record.state !== 'failed';
      if (isOver) rounds.delete(id);
      else named.push(...segments);
    }
    return named;
  }

  async function recorded(): Promise<string[]> {
    return (await layers.list('default', 1_000)).map(({ layerId }) => layerId);
  }

  function complain(rule: string, what: string, absent: readonly string[]): void {
    if (absent.length > 0) violations.note(rule, `${what} ${absent.join(', ')}`);
  }

  return {
    ...ports,
    objects: {
      ...ports.objects,
      async remove(gone) {
        const { keys } = neededBy(objects, await recorded(), await inUse());
        complain(
          'garbage',
          'is removed and needed:',
          gone.filter((key) => keys.has(key)),
        );
        await ports.objects.remove(gone);
      },
    },
    layers: {
      ...layers,
      async record(namespace, layer) {
        await layers.record(namespace, layer);
        complain('garbage', 'a layer is recorded without', neededBy(objects, [layer.layerId], []).absent);
      },
    },
    migrations: {
      ...migrations,
      async appendRound(id, round) {
        const record = await migrations.find(id);
        const own = round.segments.map((segment) => segment.id).filter((each) => !/^0+$/.test(each));
        const shared = own.filter(
          (each) => !objects.has(`ns/default/migrations/${id}/segments/${each.slice(0, 2)}/${each}`),
        );
        await migrations.appendRound(id, round);
        if (record === undefined || hasEnded(record.state)) return;
        complain('garbage', 'a round is committed without', neededBy(objects, [], shared).absent);
        rounds.set(id, new Set([...(rounds.get(id) ?? []), ...shared]));
      },
    },
  };
}
