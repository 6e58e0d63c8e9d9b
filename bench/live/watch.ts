import * as z from 'zod';
import { systemClock } from '../../adapters/system/clock.ts';
import { unixSocket } from '../../adapters/system/unix-socket.ts';
import { linesOf } from '../../agent/qemu/lines.ts';
import type { ByteStream } from '../../core/stream.ts';

const RETRY_MS = 20;

const told = z.looseObject({
  event: z.string().optional(),
  timestamp: z.looseObject({ seconds: z.number(), microseconds: z.number() }).optional(),
});

/** Something that a QEMU told, and when, by its own clock: that of the machine. */
export interface Moment {
  readonly event: string;
  readonly atMs: number;
}

/** What a QEMU tells on a monitor, with its own times: those of whoever reads it would have its delays in them. */
export class GuestWatch {
  readonly #stream: ByteStream;
  readonly #moments: Moment[] = [];
  readonly #waiting = new Set<() => void>();
  /** When QEMU has closed its disks, and gone. */
  readonly ended: Promise<void>;

  private constructor(stream: ByteStream) {
    this.#stream = stream;
    this.ended = this.#read();
  }

  /** Waits until there is such a monitor. Errors: the signal's reason. */
  static async open(monitor: string, signal: AbortSignal): Promise<GuestWatch> {
    for (;;) {
      try {
        const watch = new GuestWatch(await unixSocket(monitor)(signal));
        await watch.#say('qmp_capabilities');
        return watch;
      } catch {
        signal.throwIfAborted();
        await systemClock.sleep(RETRY_MS, signal);
      }
    }
  }

  get moments(): readonly Moment[] {
    return this.#moments;
  }

  /** The first event of this name, waited for if it has not been told yet. Throws if the QEMU ends before it. */
  async until(event: string): Promise<Moment> {
    const gone = this.ended.then(() => 'gone' as const);
    for (;;) {
      const found = this.#moments.find((each) => each.event === event);
      if (found !== undefined) return found;
      const next = new Promise<void>((resolve) => this.#waiting.add(resolve));
      if ((await Promise.race([next, gone])) === 'gone') throw new Error(`a QEMU ended before its ${event}`);
    }
  }

  /** Ends the QEMU in an orderly way, if it has not ended: all that its guest wrote is in its image then. */
  async quit(): Promise<void> {
    await this.#say('quit').catch(() => undefined);
    await this.ended;
  }

  async #say(command: string): Promise<void> {
    await this.#stream.write(Buffer.from(`${JSON.stringify({ execute: command })}\n`));
  }

  async #read(): Promise<void> {
    try {
      for await (const line of linesOf(this.#stream)) {
        const { event, timestamp } = told.parse(JSON.parse(line));
        if (event === undefined || timestamp === undefined) continue;
        this.#moments.push({ event, atMs: 1000 * timestamp.seconds + timestamp.microseconds / 1000 });
        for (const wake of this.#waiting) wake();
        this.#waiting.clear();
      }
    } catch {
      // The connection ends with its QEMU.
    }
  }
}

/**
 * How long a guest stood still, in milliseconds: from when its source's QEMU stopped it for the last time until that of its
 * destination let it run. Throws if one of them did not.
 */
export function pauseBetween(source: readonly Moment[], destination: readonly Moment[]): number {
  const resumed = destination.find(({ event }) => event === 'RESUME');
  const stopped = source.findLast(
    ({ event, atMs }) => event === 'STOP' && resumed !== undefined && atMs <= resumed.atMs,
  );
  if (stopped === undefined || resumed === undefined) throw new Error('the guest has not moved');
  return resumed.atMs - stopped.atMs;
}
