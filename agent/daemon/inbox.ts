import type { Incoming, PollAnswer, PollRequest } from '../../core/api/agent.ts';
import { limits } from '../../core/limits.ts';
import type { VmEnd } from '../../core/migration.ts';
import type { Clock } from '../../core/ports.ts';
import type { Receipt } from '../../core/receipt.ts';
import { type Round, roundsBegin } from '../../core/records.ts';
import type { News } from '../tasks/task.ts';
import { Awaited } from './awaited.ts';
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

type Wants = Pick<PollRequest, 'following' | 'awaiting' | 'expecting' | 'settling'>;
type Told = Pick<PollAnswer, 'rounds' | 'receipts' | 'incoming' | 'settled'>;

/**
 * What tasks await and polls bring. A stream's rounds are asked for only while few of them wait to be read, so a fast
 * source can't fill the memory of a slow destination.
 */
export class Inbox implements News {
  readonly #clock: Clock;
  readonly #wake: Bell;
  readonly #following = new Map<string, Following>();
  readonly #receipts: Awaited<Receipt>;
  readonly #incoming: Awaited<Incoming>;
  readonly #settled: Awaited<VmEnd>;
  #urgent = 0;

  /** Rings `wake` when a task begins to wait. */
  constructor(clock: Clock, wake: Bell) {
    this.#clock = clock;
    this.#wake = wake;
    this.#receipts = new Awaited(clock, wake);
    this.#incoming = new Awaited(clock, wake);
    this.#settled = new Awaited(clock, wake);
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
  receipt(migration: string, vm: string, signal: AbortSignal): Promise<Receipt> {
    return this.#receipts.one(migration, vm, signal);
  }

  /** The destination's words that it can take a VM. */
  incoming(migration: string, vm: string, signal: AbortSignal): AsyncIterable<Incoming> {
    return this.#incoming.words(migration, vm, signal);
  }

  /** How a VM's move has ended. */
  settled(migration: string, vm: string, signal: AbortSignal): Promise<VmEnd> {
    return this.#settled.one(migration, vm, signal);
  }

  /** Waits are urgent until `work` has ended, however it ends. */
  async urgently<T>(work: () => Promise<T>): Promise<T> {
    this.#urgent += 1;
    this.#wake.ring();
    try {
      return await work();
    } finally {
      this.#urgent -= 1;
    }
  }

  /** True while some task says that its waits are urgent. */
  get isUrgent(): boolean {
    return this.#urgent > 0;
  }

  /** What the next poll asks for. */
  wants(): Wants {
    const open = [...this.#following.values()].filter(({ queue }) => queue.length < limits.rounds_per_poll_max);
    return {
      following: open.map(({ migration, stream, after }) => ({ migration, stream, after })),
      awaiting: this.#receipts.list().map(({ migration, vm }) => ({ migration, vm })),
      expecting: this.#incoming.list(),
      settling: this.#settled.list().map(({ migration, vm }) => ({ migration, vm })),
    };
  }

  /** Since when the latest to wait has waited; undefined if nobody waits. */
  get waitingSinceMs(): number | undefined {
    const since = [
      ...[...this.#following.values()].map(({ waitingSinceMs }) => waitingSinceMs),
      ...[this.#receipts, this.#incoming, this.#settled].flatMap((each) => each.sinceMs()),
    ].filter((ms) => ms !== undefined);
    return since.length === 0 ? undefined : Math.max(...since);
  }

  deliver({ rounds, receipts, incoming, settled }: Told): void {
    for (const { migration, stream, cursor, segments, layer_id: layerId } of rounds) {
      const following = this.#following.get(`${migration} ${stream}`);
      if (following === undefined || cursor <= following.after) continue;
      following.after = cursor;
      following.queue.push({ stream, cursor, segments, layerId });
      following.arrived.ring();
    }
    for (const receipt of receipts) this.#receipts.deliver(receipt.migration, receipt.vm, receipt);
    for (const { migration, vm, ...word } of incoming) this.#incoming.deliver(migration, vm, word);
    for (const { migration, vm, state } of settled) this.#settled.deliver(migration, vm, state);
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
