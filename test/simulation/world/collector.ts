import type { ApiClient } from '../../../adapters/api/client.ts';
import type { RouteName } from '../../../core/api/routes.ts';
import { hasCode } from '../../../core/errors.ts';
import { OBJECT_KINDS, type ObjectKind } from '../../../core/format/keys.ts';
import { limits } from '../../../core/limits.ts';
import type { Ports } from './cloud.ts';
import type { Dice } from './dice.ts';
import type { EventLog } from './event-log.ts';
import type { SimulatedTime } from './time.ts';

interface CollectorOptions {
  readonly api: ApiClient;
  readonly time: SimulatedTime;
  readonly dice: Dice;
  readonly log: EventLog;
}

/** An operator who collects garbage at any time, often several times at once. */
export class Collector {
  readonly #options: CollectorOptions;

  constructor(options: CollectorOptions) {
    this.#options = options;
  }

  /** Begins collections within the next `spanMs`; they are the workflow's from there on. */
  strike(spanMs: number): void {
    const { time, dice } = this.#options;
    for (let count = dice.int(1, 6); count > 0; count--) {
      time.schedule(dice.next() * spanMs, () => void this.#collect(dice.chance(0.15)), 'garbage');
    }
  }

  /** What agents call: while they find out what the store has is the worst moment. */
  onCall = (name: RouteName): void => {
    const { time, dice } = this.#options;
    if (!['checkFingerprints', 'announcePacks', 'commitRound'].includes(name) || !dice.chance(0.15)) return;
    time.schedule(dice.scale(1, 3_000), () => void this.#collect(false), 'garbage');
  };

  async #collect(dry_run: boolean): Promise<void> {
    const { api, dice, log } = this.#options;
    const id = `g${Buffer.from(dice.bytes(10)).toString('hex')}`;
    try {
      await api.call('collectGarbage', { body: { id, dry_run } });
      log.note(`garbage ${id} begins${dry_run ? ', dry' : ''}`);
    } catch (error) {
      if (
        !hasCode(error, 'COLLECTION_RUNNING', 'API_UNREACHABLE', 'API_TIMEOUT', 'API_FAILED', 'INTERNAL', 'CONTENTION')
      )
        throw error;
    }
  }
}

/** Makes as if nobody had touched the store for longer than the grace: some layers are withdrawn, and garbage is due. */
export async function age({ layers, objects, idle }: Ports, nowMs: number, dice: Dice): Promise<void> {
  for (const { layerId } of await layers.list('default', 1_000)) {
    if (dice.chance(0.8)) await layers.erase('default', layerId);
  }
  const sinceMs = nowMs - limits.garbage_grace_ms - 1;
  for (const kind of OBJECT_KINDS) {
    const of = kind === 'placements' ? 'segments' : kind;
    for (const id of await idsOf(objects, kind)) {
      const mark = (await idle.find('default', of, [id])).get(id);
      if (mark !== undefined) await idle.clear('default', of, id, mark);
      if (dice.chance(0.9)) await idle.mark('default', of, id, sinceMs);
    }
  }
}

export async function idsOf(objects: Ports['objects'], kind: ObjectKind): Promise<string[]> {
  return (await objects.list(`ns/default/${kind}/`, 10_000)).map((key) => key.slice(-64));
}
