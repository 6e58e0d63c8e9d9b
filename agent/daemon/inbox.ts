import type { PollAnswer, PollRequest } from '../../core/api/agent.ts';
import { limits } from '../../core/limits.ts';
import type { Clock } from '../../core/ports.ts';
import type { Receipt } from '../../core/receipt.ts';
import { type Round, roundsBegin } from '../../core/records.ts';
import { Bell } from './bell.ts';

interface Following {
  readonly migration: string;
  readonly stream: string;
  readonly arrived: Bell;
  readonly queue: Round[];
  after: string;
  /** Since when its reader has had nothing to read. */
  waitingSinceMs?: number | undefined;
}

interface Awaiting {
  readonly migration: string;
  readonly vm: string;
  readonly arrived: Bell;
  readonly sinceMs: number;
  receipt?: Receipt;
}

/**
 * What tasks await and polls bring. A stream's rounds are asked for only while few of them wait to be read, so a fast
 * source can't fill the memory of a slow destination.
 */
export class Inbox {
  readonly #clock: Clock;
  readonly #wake: Bell;
  readonly #following = new Map<string, Following>();
  readonly #awaiting = new Map<string, Awaiting>();

  /** Rings `wake` when a task begins to wait. */
  constructor(clock: Clock, wake: Bell) {
    this.#clock = clock;
    this.#wake = wake;
  }

  /** The rounds of a stream in a run of its migration, in order, each once; ends after the one that names the layer. */
  async *rounds(
    { migration, run, stream }: { migration: string; run: number; stream: string },
    signal: AbortSignal,
  ): AsyncGenerator<Round> {
    const key = `${migration} ${stream}`;
    const following: Following = { migration, stream, arrived: new Bell(), queue: [], after: roundsBegin(run) };
    this.#following.set(key, following);
    try {
      for (let last = false; !last; ) {
        const round = following.queue.shift() ?? (await this.#next(following, signal));
        last = round.layerId !== undefined;
        yield round;
      }
    } finally {
      this.#following.delete(key);
    }
  }

  /** The destination's receipt of a VM. */
  async receipt(migration: string, vm: string, signal: AbortSignal): Promise<Receipt> {
    const key = `${migration} ${vm}`;
    const awaiting: Awaiting = { migration, vm, arrived: new Bell(), sinceMs: this.#clock.nowMs() };
    this.#awaiting.set(key, awaiting);
    this.#wake.ring();
    try {
      while (awaiting.receipt === undefined) await awaiting.arrived.wait(signal);
      return awaiting.receipt;
    } finally {
      this.#awaiting.delete(key);
    }
  }

  /** What the next poll asks for. */
  wants(): Pick<PollRequest, 'following' | 'awaiting'> {
    const open = [...this.#following.values()].filter(({ queue }) => queue.length < limits.rounds_per_poll_max);
    return {
      following: open.map(({ migration, stream, after }) => ({ migration, stream, after })),
      awaiting: [...this.#awaiting.values()].map(({ migration, vm }) => ({ migration, vm })),
    };
  }

  /** Since when the latest to wait has waited; undefined if nobody waits. */
  get waitingSinceMs(): number | undefined {
    const since = [
      ...[...this.#following.values()].map(({ waitingSinceMs }) => waitingSinceMs),
      ...[...this.#awaiting.values()].map(({ sinceMs }) => sinceMs),
    ].filter((ms) => ms !== undefined);
    return since.length === 0 ? undefined : Math.max(...since);
  }

  deliver({ rounds, receipts }: Pick<PollAnswer, 'rounds' | 'receipts'>): void {
    for (const { migration, stream, cursor, segments, layer_id: layerId } of rounds) {
      const following = this.#following.get(`${migration} ${stream}`);
      if (following === undefined || cursor <= following.after) continue;
      following.after = cursor;
      following.queue.push({ stream, cursor, segments, layerId });
      following.arrived.ring();
    }
    for (const receipt of receipts) {
      const awaiting = this.#awaiting.get(`${receipt.migration} ${receipt.vm}`);
      if (awaiting === undefined) continue;
      awaiting.receipt = receipt;
      awaiting.arrived.ring();
    }
  }

  async #next(following: Following, signal: AbortSignal): Promise<Round> {
    following.waitingSinceMs = this.#clock.nowMs();
    this.#wake.ring();
    try {
      while (following.queue.length === 0) await following.arrived.wait(signal);
      return following.queue.shift()!;
    } finally {
      following.waitingSinceMs = undefined;
    }
  }
}
