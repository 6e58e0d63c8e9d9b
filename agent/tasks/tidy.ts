import { errorToJson } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import { isRefusal } from '../daemon/patient-client.ts';
import { partialPath, type Waiting } from '../images/arrivals.ts';
import type { BroughtLayer } from '../images/brought.ts';
import { type End, endsOf } from './ends.ts';
import { settle } from './settle.ts';
import type { TaskHost } from './task.ts';

type Host = Pick<TaskHost, 'api' | 'arrivals' | 'brought' | 'clock' | 'journals' | 'launches' | 'log'>;
type Ends = ReadonlyMap<string, End>;

/**
 * Clears away what tasks left for later, as far as the cloud tells how their migrations ended. To be called while no task
 * runs.
 */
export class Tidy {
  readonly #host: Host;
  readonly #onSettled: () => void;
  readonly #told = new Set<string>();
  #lookedMs = Number.NEGATIVE_INFINITY;

  /** `onSettled` hears of base layers that the host has for good now. */
  constructor(host: Host, onSettled: () => void) {
    this.#host = host;
    this.#onSettled = onSettled;
  }

  /** Its migration may end by that: look at once. */
  taskEnded(): void {
    this.#lookedMs = Number.NEGATIVE_INFINITY;
  }

  /** Errors: those of the API but refusals. */
  async run(signal: AbortSignal): Promise<void> {
    const { brought, clock, journals } = this.#host;
    await this.#settleTops(signal);
    const agoMs = clock.nowMs() - this.#lookedMs;
    if (agoMs >= 0 && agoMs < limits.rescan_ms) return;
    const asked = [...brought.all().flatMap(({ migrations }) => migrations), ...(await journals.migrations())];
    const ends = await endsOf(this.#host, asked, signal);
    if (await settleBases(this.#host, ends)) this.#onSettled();
    for (const [migration, end] of ends) if (isOver(end)) await journals.forgetAll(migration);
    // One that runs may end any moment; one that failed is resumed or aborted by somebody, in his own time.
    if (![...ends.values()].includes('open')) this.#lookedMs = clock.nowMs();
  }

  /** What the cloud knows nothing of stays, and is told of once. */
  async #settleTops(signal: AbortSignal): Promise<void> {
    const { arrivals, log } = this.#host;
    for (const arrived of arrivals.waiting()) {
      try {
        // A running VM's task comes again as long as its migration runs, and starts its guest if that is still to be done.
        if (arrived.live && (await endsOf(this.#host, [arrived.migration], signal)).get(arrived.migration) === 'open')
          continue;
        await settle(this.#host, arrived, signal);
      } catch (error) {
        if (!isRefusal(error)) throw error;
        if (!this.#told.has(arrived.path)) log.warn(unsettled(arrived, error), UNKNOWN);
        this.#told.add(arrived.path);
      }
    }
  }
}

function unsettled(arrived: Waiting, error: unknown) {
  return { migration: arrived.migration, path: partialPath(arrived), error: errorToJson(error) };
}

const UNKNOWN = 'nobody can tell what became of the VM that this file is of; it is left as it is';

function isOver(end: End | undefined): boolean {
  return end === 'committed' || end === 'aborted' || end === 'failed';
}

/**
 * Base layers that migrations brought go when all of these were aborted, so that all is as it was before, and stay when
 * one has ended otherwise or another image came to need them. Answers whether any stay.
 */
async function settleBases({ brought, log }: Host, ends: Ends): Promise<boolean> {
  const theirs = ({ migrations }: BroughtLayer) => migrations.map((migration) => ends.get(migration));
  const over = brought.all().filter((layer) => theirs(layer).every(isOver));
  const inVain = over.filter((layer) => theirs(layer).every((end) => end === 'aborted'));
  for (let before = inVain.length + 1; inVain.length < before; ) {
    before = inVain.length;
    // Each pass removes those that no other lies on.
    for (const layer of [...inVain]) {
      if (!(await brought.takeBack(layer))) continue;
      log.info(
        { migrations: layer.migrations, path: layer.path },
        'its migration was aborted: the base layer that it brought is removed',
      );
      inVain.splice(inVain.indexOf(layer), 1);
    }
  }
  const staying = brought.all().filter((layer) => over.includes(layer));
  for (const { layerId } of staying) await brought.keep(layerId);
  return staying.length > 0;
}
