import type { ApiClient } from '../../../adapters/api/client.ts';
import type { HostRef } from '../../../core/api/names.ts';
import type { RouteName } from '../../../core/api/routes.ts';
import type { MigrationView } from '../../../core/api/views.ts';
import { LayerMoverError } from '../../../core/errors.ts';
import { hasEnded } from '../../../core/migration.ts';
import type { Dice } from './dice.ts';
import type { EventLog } from './event-log.ts';
import type { SimulatedTime } from './time.ts';

export interface Order {
  readonly vms: readonly string[];
  readonly to: HostRef;
  readonly policy: 'auto' | 'kind' | 'dedup' | 'direct';
  readonly chunkBytes: number;
  /** When it is asked for, and when the user changes their mind. Milliseconds from the start. */
  readonly atMs: number;
  readonly abortMs?: number;
  /** They change their mind at the very moment that the source commits. */
  readonly abortAtCommit?: boolean;
  /** Where the VMs go on to once they are there. */
  readonly onward?: HostRef;
}

export interface OperatorOptions {
  readonly api: ApiClient;
  readonly time: SimulatedTime;
  readonly dice: Dice;
  readonly log: EventLog;
  /** Faults end then: a migration that fails is asked for again afterwards, and must succeed. */
  readonly calmMs: () => number;
}

const LOOK_MS = 3_000;
/** What was under way when the faults ended has ended by then. */
const SETTLED_MS = 120_000;

/** A user who asks for migrations, sometimes aborts one, and asks again for what failed. */
export class Operator {
  readonly #options: OperatorOptions;
  /** Every migration that was asked for. */
  readonly ended: MigrationView[] = [];
  readonly #abortAtCommit = new Set<string>();
  #requests = 0;

  constructor(options: OperatorOptions) {
    this.#options = options;
  }

  /** Resolves once the VMs of the order are where they should be, or stay for the user's sake. Gives the last view. */
  async see(order: Order): Promise<MigrationView> {
    const { time, dice, log } = this.#options;
    await time.sleep(order.atMs);
    let askedMs = time.sinceStartMs;
    let view = await this.#ask(order, order.vms);
    if (order.abortAtCommit === true) this.#abortAtCommit.add(view.id);
    for (;;) {
      view = await this.#wait(view.id, order.abortMs);
      this.ended.push(view);
      log.note(`user sees ${view.id} ${view.state} ${view.error?.code ?? ''}`);
      if (view.state === 'committed' && order.onward !== undefined) {
        const { onward, abortMs: _, ...next } = order;
        return await this.see({ ...next, to: onward, atMs: dice.scale(1, 30_000) });
      }
      if (view.state !== 'failed') return view;
      if (askedMs > this.#options.calmMs() + SETTLED_MS)
        throw new Error(`${view.id} failed in the calm: ${JSON.stringify(view.error)}`);
      await time.sleep(
        Math.max(
          dice.scale(100, 60_000),
          dice.chance(0.7) ? this.#options.calmMs() + SETTLED_MS + 1 - time.sinceStartMs : 0,
        ),
      );
      askedMs = time.sinceStartMs;
      const done = new Set(view.vms.filter(({ state }) => state === 'committed').map(({ name }) => name));
      const left = view.vm_names.filter((name) => !done.has(name));
      if (dice.chance(0.5)) {
        const { id, run } = view;
        view = await this.#patiently(() =>
          this.#options.api.call('resumeMigration', { params: { migration: id }, body: { run } }),
        );
      } else {
        await this.#abort(view.id);
        view = await this.#ask(order, left.length > 0 ? left : order.vms);
      }
    }
  }

  /** What agents call: here is the worst moment to abort. */
  onCall = (name: RouteName, body: unknown): void => {
    if (name !== 'commitMigration') return;
    const [migration] = (body as { task: string }).task.split('.') as [string];
    if (!this.#abortAtCommit.delete(migration)) return;
    const { time, dice } = this.#options;
    time.schedule(dice.scale(1, 2_000), () => void this.#abort(migration), 'abort');
  };

  async #ask({ to, policy, chunkBytes }: Order, vms: readonly string[]): Promise<MigrationView> {
    const { api, log } = this.#options;
    const body = { request_id: `request-${++this.#requests}`, vms: [...vms], to, policy, chunk_bytes: chunkBytes };
    const view = await this.#patiently(() => api.call('createMigration', { body }));
    log.note(`user asks for ${view.id}: ${vms} to ${to} ${policy}`);
    return view;
  }

  async #wait(id: string, abortMs: number | undefined): Promise<MigrationView> {
    const { api, time } = this.#options;
    const params = { migration: id };
    for (let aborted = false; ; ) {
      const view = await this.#patiently(() => api.call('getMigration', { params }));
      if (hasEnded(view.state)) return view;
      if (!aborted && abortMs !== undefined && time.sinceStartMs > abortMs) {
        aborted = true;
        await this.#abort(id);
      }
      await time.sleep(LOOK_MS);
    }
  }

  async #abort(id: string): Promise<void> {
    this.#options.log.note(`user aborts ${id}`);
    const params = { migration: id };
    await this.#patiently(() => this.#options.api.call('abortMigration', { params })).catch((error) => {
      if (!(error instanceof LayerMoverError) || error.code !== 'MIGRATION_ENDED') throw error;
    });
  }

  /** As the command does, and the person before it: what can't be reached is tried again. */
  async #patiently<T>(work: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await work();
      } catch (error) {
        const passing = ['API_UNREACHABLE', 'API_TIMEOUT', 'INTERNAL', 'API_FAILED', 'HOST_UNKNOWN'];
        if (!(error instanceof LayerMoverError) || !passing.includes(error.code)) throw error;
        await this.#options.time.sleep(LOOK_MS);
      }
    }
  }
}
