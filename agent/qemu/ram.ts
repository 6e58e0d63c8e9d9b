import * as z from 'zod';
import { withDeadline } from '../../adapters/deadline.ts';
import { count } from '../../core/api/names.ts';
import { hasCode, LayerMoverError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import type { Clock } from '../../core/ports.ts';
import { ask } from './ask.ts';
import type { EventFeed } from './events.ts';
import type { Qmp } from './qmp.ts';

const migration = z.looseObject({
  status: z.string().optional(),
  'error-desc': z.string().optional(),
  ram: z.looseObject({ remaining: count, 'dirty-sync-count': count.optional() }).optional(),
});
const capabilities = z.array(z.object({ capability: z.string(), state: z.boolean() }));
const parameters = z.looseObject({ 'downtime-limit': z.number(), 'max-bandwidth': z.number() });

const WANTED: Readonly<Record<string, boolean>> = { events: true, 'pause-before-switchover': true };
/** States in which nothing goes on any more. */
const ENDED: readonly string[] = ['completed', 'failed', 'cancelled', 'none'];

/** Where a guest's memory is sent, and how. */
export interface RamTo {
  readonly uri: string;
  /** QEMU stops the guest once what is left takes no longer, as fast as it goes. */
  readonly maxDowntimeMs: number;
  /** As long as the guest runs; what is sent once it is stopped goes as fast as the link is. */
  readonly bytesPerSecond?: number | undefined;
  readonly clock: Clock;
}

/**
 * QEMU's own migration of a guest's memory and devices, which stops the guest just before the end (pause-before-switchover) and
 * waits for `goOn`. Up to then the guest can run on here at any time.
 */
export class RamMigration {
  readonly #qmp: Qmp;
  readonly #clock: Clock;
  readonly #events: EventFeed;
  readonly #restore: () => Promise<void>;
  #looked: { readonly remaining: number; readonly atMs: number } | undefined;

  private constructor(qmp: Qmp, clock: Clock, restore: () => Promise<void>) {
    this.#qmp = qmp;
    this.#clock = clock;
    this.#restore = restore;
    this.#events = qmp.events('MIGRATION');
  }

  /** Begins to send the memory. Errors: those of Qmp.execute. */
  static async begin(qmp: Qmp, to: RamTo, signal: AbortSignal): Promise<RamMigration> {
    const restore = await settings(qmp, to, signal);
    const ram = new RamMigration(qmp, to.clock, restore);
    try {
      await qmp.execute('migrate', { uri: to.uri }, { signal });
      return ram;
    } catch (error) {
      await ram.#end();
      throw error;
    }
  }

  /** Resolves when the guest has been stopped and waits for `goOn`. Errors: RAM_FAILED, the signal's reason. */
  async stopped(signal: AbortSignal): Promise<void> {
    const { data } = await this.#events.next(signal, ({ data: told }) => {
      return told.status === 'pre-switchover' || ENDED.includes(String(told.status));
    });
    if (data.status !== 'pre-switchover') throw await this.#failed(String(data.status));
  }

  /**
   * About how long it takes until the guest is stopped, in milliseconds, by how much less of its memory is left than at the
   * last look: 0 at the first one, infinity if it does not get less. Errors: NO_CONVERGENCE after so many passes that it won't
   * get less, those of Qmp.execute.
   */
  async leftMs(signal: AbortSignal): Promise<number> {
    const { ram } = await ask(this.#qmp, migration, 'query-migrate', {}, { signal });
    if ((ram?.['dirty-sync-count'] ?? 0) > limits.ram_passes_max) throw neverLess();
    const before = this.#looked;
    const now = { remaining: ram?.remaining ?? 0, atMs: this.#clock.nowMs() };
    this.#looked = now;
    if (before === undefined) return 0;
    const gained = before.remaining - now.remaining;
    return gained <= 0 ? Number.POSITIVE_INFINITY : (now.remaining * (now.atMs - before.atMs)) / gained;
  }

  /**
   * Lets the guest go: its last state is sent, and it runs at the other side. Resolves when it has gone. Errors:
   * RAM_FAILED, proven by QEMU: then the guest has not gone; QMP_TIMEOUT or QMP_LOST: nobody knows.
   */
  async goOn(): Promise<void> {
    await this.#qmp.execute('migrate-continue', { state: 'pre-switchover' });
    const late = () => new LayerMoverError('QMP_TIMEOUT', 'the VM’s QEMU did not tell whether its guest has gone');
    const ended = (signal: AbortSignal) =>
      this.#events.next(signal, ({ data: told }) => ENDED.includes(String(told.status)));
    const { data } = await withDeadline(ended, { clock: this.#clock, ms: limits.ram_switchover_ms_max, late });
    if (data.status !== 'completed') throw await this.#failed(String(data.status));
    this.#events.close();
  }

  /** Gives up. When this resolves nothing is sent any more, and the guest runs here if it did. Errors: as Qmp.execute. */
  async cancel(): Promise<void> {
    await cancelMigration(this.#qmp, this.#clock);
    await this.#end();
  }

  async #end(): Promise<void> {
    this.#events.close();
    await this.#restore();
  }

  async #failed(status: string): Promise<LayerMoverError> {
    const told = await ask(this.#qmp, migration, 'query-migrate').catch(() => undefined);
    return new LayerMoverError(
      'RAM_FAILED',
      `QEMU could not move the guest’s memory: ${told?.['error-desc'] ?? status}`,
      {
        hint: 'see that the hosts reach each other, and that both QEMUs have the same machine; or use --cutover stop',
        data: { status },
      },
    );
  }
}

function neverLess(): LayerMoverError {
  return new LayerMoverError(
    'NO_CONVERGENCE',
    `the guest’s memory was gone through ${limits.ram_passes_max} times, and it writes as fast as it is sent`,
    { hint: 'migrate when it does less, with a higher --max-rate or a longer --max-downtime, or with --cutover stop' },
  );
}

/** How QEMU's migration stands: none, setup, active, pre-switchover, device, completed, failed, cancelled … */
export async function migrationStatus(qmp: Qmp, signal?: AbortSignal): Promise<string> {
  return (await ask(qmp, migration, 'query-migrate', {}, { signal })).status ?? 'none';
}

/** Ends a migration that has not come to its end. Errors: QMP_TIMEOUT and those of Qmp.execute. */
export async function cancelMigration(qmp: Qmp, clock: Clock): Promise<void> {
  if (ENDED.includes(await migrationStatus(qmp))) return;
  await qmp.execute('migrate_cancel');
  const late = () => new LayerMoverError('QMP_TIMEOUT', 'QEMU does not give its migration up');
  const ended = async (signal: AbortSignal) => {
    while (!ENDED.includes(await migrationStatus(qmp, signal))) await clock.sleep(limits.ram_look_ms, signal);
  };
  await withDeadline(ended, { clock, ms: limits.live_cleanup_ms, late });
}

/** Sets what we need; gives how to put back what was set before. */
async function settings(
  qmp: Qmp,
  { maxDowntimeMs, bytesPerSecond = limits.ram_bytes_per_second_max }: RamTo,
  signal: AbortSignal,
): Promise<() => Promise<void>> {
  const had = await ask(qmp, capabilities, 'query-migrate-capabilities', {}, { signal });
  const before = await ask(qmp, parameters, 'query-migrate-parameters', {}, { signal });
  const others = had.filter(({ capability, state }) => (WANTED[capability] ?? state) !== state);
  const wanted = Object.entries(WANTED).map(([capability, state]) => ({ capability, state }));
  const put = async () => {
    await qmp.execute('migrate-set-capabilities', { capabilities: others });
    const { 'downtime-limit': downtime, 'max-bandwidth': bandwidth } = before;
    await qmp.execute('migrate-set-parameters', { 'downtime-limit': downtime, 'max-bandwidth': bandwidth });
  };
  const restore = () =>
    put().catch((error: unknown) => {
      if (!hasCode(error, 'QMP_LOST', 'QMP_COMMAND_FAILED')) throw error;
    });
  await qmp.execute('migrate-set-capabilities', { capabilities: wanted }, { signal });
  const own = { 'downtime-limit': maxDowntimeMs, 'max-bandwidth': Math.floor(bytesPerSecond) };
  await qmp.execute('migrate-set-parameters', own, { signal });
  return restore;
}
