import { limits } from '../../core/limits.ts';
import { Bell } from '../daemon/bell.ts';
import { refused } from './failure.ts';

/** Something that QEMU told by itself. */
export interface QmpEvent {
  readonly event: string;
  readonly data: Readonly<Record<string, unknown>>;
}

export type Match = (event: QmpEvent) => boolean;

/** The events of some names from one moment on, in order. `limits.qmp_events_max` may wait to be read. */
export class EventFeed {
  readonly #names: readonly string[];
  readonly #queue: QmpEvent[] = [];
  readonly #arrived = new Bell();
  readonly #onClose: (feed: EventFeed) => void;
  #failure: unknown;

  constructor(names: readonly string[], onClose: (feed: EventFeed) => void) {
    this.#names = names;
    this.#onClose = onClose;
  }

  /** The next event that matches; those before it are passed over. Errors: those the connection ended with, the signal's reason. */
  async next(signal: AbortSignal, match: Match = () => true): Promise<QmpEvent> {
    for (;;) {
      for (let event = this.#queue.shift(); event !== undefined; event = this.#queue.shift()) {
        if (match(event)) return event;
      }
      if (this.#failure !== undefined) throw this.#failure;
      await this.#arrived.wait(signal);
    }
  }

  /** Events are kept no more. */
  close(): void {
    this.#onClose(this);
  }

  deliver(event: QmpEvent): void {
    if (this.#failure !== undefined || !this.#names.includes(event.event)) return;
    if (this.#queue.length >= limits.qmp_events_max) this.fail(refused('more events than anybody reads'));
    else this.#queue.push(event);
    this.#arrived.ring();
  }

  fail(reason: unknown): void {
    this.#failure ??= reason;
    this.#arrived.ring();
  }
}
