import type { Clock } from '../../core/ports.ts';
import { guestStatus, resumeGuest, stopGuest } from '../qemu/guest.ts';
import type { Qmp } from '../qemu/qmp.ts';
import { RamMigration, type RamTo } from '../qemu/ram.ts';

/** How a guest leaves: until `goOn` it can run on here at any time. */
export interface Handover {
  /** Before anybody touched it. */
  readonly wasRunning: boolean;
  /**
   * Stops the guest; `meanwhile` is done again and again until it has stopped, which its signal tells. It is given about how
   * many milliseconds there are until then. Answers when the guest has stopped, by the clock. Errors: RAM_FAILED, those of
   * `meanwhile`.
   */
  stop(meanwhile: (stopped: AbortSignal, leftMs: number) => Promise<void>, signal: AbortSignal): Promise<number>;
  /** The guest is the destination's now. Errors: RAM_FAILED if it is proven that it has not gone. */
  goOn(): Promise<void>;
  /** The guest runs on here, if it did before. Errors: those of Qmp.execute. */
  giveUp(): Promise<void>;
}

/** The guest is paused, and its disk alone goes: it boots at the destination. */
export async function stopHandover(qmp: Qmp, clock: Clock, signal: AbortSignal): Promise<Handover> {
  const { running } = await guestStatus(qmp, signal);
  return {
    wasRunning: running,
    async stop(_, within) {
      const stoppedMs = clock.nowMs();
      await stopGuest(qmp, within);
      return stoppedMs;
    },
    goOn: async () => undefined,
    giveUp: async () => {
      if (running) await resumeGuest(qmp);
    },
  };
}

/** The guest goes with its memory, by QEMU's own migration, and goes on at the destination. */
export async function ramHandover(qmp: Qmp, to: RamTo, signal: AbortSignal): Promise<Handover> {
  const { running } = await guestStatus(qmp, signal);
  const ram = await RamMigration.begin(qmp, to, signal);
  return {
    wasRunning: running,
    async stop(meanwhile, within) {
      const over = new AbortController();
      const stopped = ram.stopped(within).then(() => to.clock.nowMs());
      const end = () => over.abort(null);
      stopped.then(end, end);
      // What is done meanwhile has ended when this does: the last round comes after it.
      while (!over.signal.aborted) await meanwhile(over.signal, await ram.leftMs(within));
      return stopped;
    },
    goOn: () => ram.goOn(),
    async giveUp() {
      await ram.cancel();
      if (running) await resumeGuest(qmp);
    },
  };
}
