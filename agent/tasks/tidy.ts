import { errorToJson, hasCode } from '../../core/errors.ts';
import { hasEnded, type MigrationState } from '../../core/migration.ts';
import { isRefusal } from '../daemon/patient-client.ts';
import { partialPath } from '../images/arrivals.ts';
import type { BroughtLayer } from '../images/brought.ts';
import { settle } from './settle.ts';
import type { TaskHost } from './task.ts';

type Host = Pick<TaskHost, 'api' | 'arrivals' | 'brought' | 'journals' | 'log'>;

/** How migrations ended, by their ids; undefined for those that have not, or of which the cloud does not tell. */
type Ends = ReadonlyMap<string, MigrationState | undefined>;

/**
 * Clears away what tasks left for later, as far as the cloud tells how their migrations ended. To be called while no task
 * runs.
 */
export class Tidy {
  readonly #host: Host;
  readonly #onSettled: () => void;
  readonly #told = new Set<string>();
  /** True if journals may belong to migrations that have ended since. */
  #isJournalDue = true;

  /** `onSettled` hears of base layers that the host has for good now. */
  constructor(host: Host, onSettled: () => void) {
    this.#host = host;
    this.#onSettled = onSettled;
  }

  taskEnded(): void {
    this.#isJournalDue = true;
  }

  /** Errors: those of the API but refusals. */
  async run(signal: AbortSignal): Promise<void> {
    await this.#settleTops(signal);
    if (await settleBases(this.#host, signal)) this.#onSettled();
    if (this.#isJournalDue) this.#isJournalDue = !(await settleJournals(this.#host, signal));
  }

  /** What the cloud knows nothing of stays, and is told of once. */
  async #settleTops(signal: AbortSignal): Promise<void> {
    const { arrivals, log } = this.#host;
    for (const arrived of arrivals.waiting()) {
      try {
        await settle(this.#host, arrived, signal);
      } catch (error) {
        if (!isRefusal(error)) throw error;
        if (!this.#told.has(arrived.path)) log.warn({ path: partialPath(arrived), error: errorToJson(error) }, UNKNOWN);
        this.#told.add(arrived.path);
      }
    }
  }
}

const UNKNOWN = 'nobody can tell what became of the VM that this file is of; it is left as it is';

/**
 * Base layers that migrations brought go when all of these were aborted, so that all is as it was before, and stay when
 * one has ended otherwise or another image came to need them. Answers whether any stay.
 */
async function settleBases({ api, brought, log }: Host, signal: AbortSignal): Promise<boolean> {
  const ends = await endsOf(
    api,
    brought.all().flatMap(({ migrations }) => migrations),
    signal,
  );
  const theirs = ({ migrations }: BroughtLayer) => migrations.map((migration) => ends.get(migration));
  const ended = brought.all().filter((layer) => !theirs(layer).includes(undefined));
  const inVain = ended.filter((layer) => theirs(layer).every((end) => end === 'aborted'));
  for (let before = inVain.length + 1; inVain.length < before; ) {
    before = inVain.length;
    // Each pass removes those that no other lies on.
    for (const layer of [...inVain]) {
      if (!(await brought.takeBack(layer))) continue;
      log.info({ path: layer.path }, 'its migration was aborted: the base layer that it brought is removed');
      inVain.splice(inVain.indexOf(layer), 1);
    }
  }
  const staying = brought.all().filter((layer) => ended.includes(layer));
  for (const { layerId } of staying) await brought.keep(layerId);
  return staying.length > 0;
}

/**
 * Journals of pushes whose tasks never came to be done, though their migrations are over. Those of one that failed stay:
 * it may be resumed. Answers whether all are settled.
 */
async function settleJournals({ api, journals }: Host, signal: AbortSignal): Promise<boolean> {
  const ends = await endsOf(api, await journals.migrations(), signal);
  for (const [migration, end] of ends) {
    if (end === 'committed' || end === 'aborted') await journals.forgetAll(migration);
  }
  return ![...ends.values()].includes(undefined);
}

async function endsOf(api: Host['api'], migrations: readonly string[], signal: AbortSignal): Promise<Ends> {
  const ends = new Map<string, MigrationState | undefined>();
  for (const migration of new Set(migrations)) ends.set(migration, await endOf(api, migration, signal));
  return ends;
}

/** How a migration ended; undefined as long as it has not, or the cloud does not tell. */
async function endOf(api: Host['api'], migration: string, signal: AbortSignal): Promise<MigrationState | undefined> {
  try {
    const { state } = await api.call('getMigration', { params: { migration }, signal });
    return hasEnded(state) ? state : undefined;
  } catch (error) {
    if (hasCode(error, 'MIGRATION_UNKNOWN')) return 'failed';
    if (isRefusal(error)) return undefined;
    throw error;
  }
}
