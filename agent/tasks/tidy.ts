import { errorToJson } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import { taskIdOf } from '../../core/task.ts';
import { isRefusal } from '../daemon/patient-client.ts';
import { partialPath, type Waiting } from '../images/arrivals.ts';
import type { BroughtLayer } from '../images/brought.ts';
import { isFull } from '../images/room.ts';
import { settleLeft } from '../live/destination/settle-left.ts';
import { isAway } from '../qemu/failure.ts';
import { type End, endsOf } from './ends.ts';
import { forgetManifest } from './know.ts';
import { settle } from './settle.ts';
import type { TaskHost } from './task.ts';

type Host = Pick<
  TaskHost,
  | 'api'
  | 'arrivals'
  | 'brought'
  | 'catalog'
  | 'clock'
  | 'images'
  | 'journals'
  | 'launcher'
  | 'launches'
  | 'log'
  | 'manifests'
  | 'running'
>;
type Ends = ReadonlyMap<string, End>;

/** The tasks that run here. */
interface Running {
  count(): number;
  has(task: string): boolean;
}

/** Clears away what tasks left for later, as far as the cloud tells how their migrations ended. */
export class Tidy {
  readonly #host: Host;
  readonly #onSettled: () => void;
  readonly #running: Running;
  readonly #told = new Set<string>();
  #lookedMs = Number.NEGATIVE_INFINITY;

  /** `onSettled` hears of base layers that the host has for good now. */
  constructor(host: Host, running: Running, onSettled: () => void) {
    this.#host = host;
    this.#running = running;
    this.#onSettled = onSettled;
  }

  /** Its migration may end by that: look at once. */
  taskEnded(): void {
    this.#lookedMs = Number.NEGATIVE_INFINITY;
  }

  /** A guest that waits for a word waits for no other VM's task; all else is done while no task runs. Errors: those of the API but refusals. */
  async run(signal: AbortSignal): Promise<void> {
    const { brought, clock, journals } = this.#host;
    if (this.#running.count() === 0) await this.#placeBases();
    await this.#settleTops(signal);
    if (this.#running.count() > 0) return;
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
      if (!this.#isLeft(arrived)) continue;
      try {
        if (arrived.isLive) await this.#settleLive(arrived, signal);
        else await settle(this.#host, arrived, signal);
      } catch (error) {
        // A QEMU that does not answer may do so at the next look, and a full disk may have room.
        const isLater = isAway(error) || isFull(error);
        if (!isRefusal(error) && !isLater) throw error;
        const { migration, name } = arrived;
        const which = `${migration} ${name}`;
        if (!this.#told.has(which)) log.warn(unsettled(arrived, error), isLater ? LATER : UNKNOWN);
        this.#told.add(which);
      }
    }
  }

  /** What a crash or a full disk kept from its name gets it, and is not brought again. */
  async #placeBases(): Promise<void> {
    const { arrivals, brought, log } = this.#host;
    for (const base of arrivals.unplaced()) {
      try {
        await brought.note(base);
        await arrivals.place(base);
      } catch (error) {
        const { path, migration } = base;
        if (!this.#told.has(path)) log.warn({ path, migration, error: errorToJson(error) }, UNPLACED);
        this.#told.add(path);
      }
    }
  }

  /** Its own task does it as long as it runs. */
  #isLeft({ isLive, migration, name }: Waiting): boolean {
    return isLive ? !this.#running.has(taskIdOf(migration, 'follow', name)) : this.#running.count() === 0;
  }

  async #settleLive(arrived: Waiting, signal: AbortSignal): Promise<void> {
    const { migration } = arrived;
    const mayComeAgain = (await endsOf(this.#host, [migration], signal)).get(migration) === 'open';
    await settleLeft(this.#host, arrived, { mayComeAgain }, signal);
  }
}

function unsettled({ migration, name, disks }: Waiting, error: unknown) {
  return { migration, vm: name, paths: disks.map(partialPath), error: errorToJson(error) };
}

const LATER = 'what became of the VM that these files are of can’t be settled now; it will be';
const UNPLACED = 'a base layer that has arrived can’t be given its name now; it will be';

const UNKNOWN = 'nobody can tell what became of the VM that these files are of; they are left as they are';

function isOver(end: End | undefined): boolean {
  return end === 'committed' || end === 'aborted' || end === 'failed';
}

/**
 * Base layers that migrations brought go when all of these were aborted, so that all is as it was before, and stay when
 * one has ended otherwise or another image came to need them. Answers whether any stay.
 */
async function settleBases(host: Host, ends: Ends): Promise<boolean> {
  const { brought, log } = host;
  const theirs = ({ migrations }: BroughtLayer) => migrations.map((migration) => ends.get(migration));
  const over = brought.all().filter((layer) => theirs(layer).every(isOver));
  const inVain = over.filter((layer) => theirs(layer).every((end) => end === 'aborted'));
  for (let before = inVain.length + 1; inVain.length < before; ) {
    before = inVain.length;
    // Each pass removes those that no other lies on.
    for (const layer of [...inVain]) {
      if (!(await brought.takeBack(layer))) continue;
      await forgetManifest(host, layer.layerId);
      log.info(
        { migrations: layer.migrations, path: layer.path },
        'its migration was aborted: the base layer that it brought is removed',
      );
      inVain.splice(inVain.indexOf(layer), 1);
    }
  }
  const staying = brought.all().filter((layer) => over.includes(layer));
  for (const layer of staying) await brought.keep(layer);
  return staying.length > 0;
}
