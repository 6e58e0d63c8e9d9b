import { isDeepStrictEqual } from 'node:util';
import type { ApiClient } from '../../adapters/api/client.ts';
import type { PollAnswer, PollRequest } from '../../core/api/agent.ts';
import type { HostRef } from '../../core/api/names.ts';
import { hasCode } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import type { Clock } from '../../core/ports.ts';
import type { Bell } from './bell.ts';
import type { Enrolment } from './enrolment.ts';
import type { Inbox } from './inbox.ts';
import type { Log } from './log.ts';
import { reportable } from './reportable.ts';
import type { Runs } from './runs.ts';

export interface PollLoopOptions {
  readonly ref: HostRef;
  /** Names this run of the agent. */
  readonly instance: string;
  readonly api: ApiClient;
  readonly clock: Clock;
  readonly log: Log;
  readonly enrolment: Enrolment;
  readonly runs: Runs;
  readonly inbox: Inbox;
  /** Done before a poll: what earlier tasks left open. */
  readonly tidy: (signal: AbortSignal) => Promise<void>;
  readonly freeBytes: () => Promise<number>;
  /** Rung when the next poll should not wait: a task has ended, or begins to wait. */
  readonly wake: Bell;
}

type Wants = ReturnType<Inbox['wants']>;

/** The agent's heartbeat: asks for work and news until it is stopped. While the cloud is away it goes on asking. */
export class PollLoop {
  readonly #options: PollLoopOptions;
  #away = false;
  #busyMs = Number.NEGATIVE_INFINITY;
  /** What to pause after a poll that was urgent. */
  #urgentMs: number | undefined;

  constructor(options: PollLoopOptions) {
    this.#options = options;
  }

  /** Resolves once `signal` has aborted. */
  async run(signal: AbortSignal): Promise<void> {
    this.#busyMs = this.#options.clock.nowMs() - limits.poll_linger_ms;
    while (!signal.aborted) {
      try {
        await this.#poll(signal);
        this.#back();
      } catch (error) {
        if (!signal.aborted) this.#lost(error);
      }
      await this.#pause(signal);
    }
  }

  /** Whatever keeps the agent from enrolling, its tasks need the heartbeat. */
  async #poll(signal: AbortSignal): Promise<void> {
    const { enrolment, inbox, tidy } = this.#options;
    this.#urgentMs = undefined;
    if (inbox.isUrgent) return await this.#pollUrgently(signal);
    await tidy(signal);
    const [enrolled] = await Promise.allSettled([enrolment.renew(signal)]);
    this.#take(await this.#ask(await this.#asked(), signal));
    if (enrolled.status === 'rejected') throw enrolled.reason;
  }

  /**
   * A poll that waits at the API for news, so that none waits here for the next poll. What is to be asked may change
   * meanwhile: then it is given up, and nothing is lost, for whatever it would have brought comes with the next one.
   */
  async #pollUrgently(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    const [asked, beganMs] = [await this.#asked(), clock.nowMs()];
    const outdated = new AbortController();
    const either = AbortSignal.any([signal, outdated.signal]);
    void this.#untilOutdated(asked, either).then(() => outdated.abort(null), ignore);
    try {
      const answer = await this.#ask({ ...asked, wait_ms: limits.poll_wait_ms_max }, either);
      this.#take(answer);
      // An answer that came at once and brought nothing that was awaited would come again and again.
      this.#urgentMs = isAwaited(answer) ? 0 : Math.max(0, limits.poll_fast_ms - (clock.nowMs() - beganMs));
    } catch (error) {
      if (signal.aborted || !outdated.signal.aborted) throw error;
      this.#urgentMs = 0;
    } finally {
      outdated.abort(null);
    }
  }

  async #untilOutdated(asked: PollRequest, signal: AbortSignal): Promise<void> {
    const { wake, runs, inbox } = this.#options;
    const wanted = ({ following, awaiting, expecting, settling }: Wants) => [following, awaiting, expecting, settling];
    const tasks = ({ running }: Pick<PollRequest, 'running'>) => running.map(({ task, attempt }) => [task, attempt]);
    const isAsAsked = () =>
      isDeepStrictEqual(wanted(inbox.wants()), wanted(asked)) &&
      isDeepStrictEqual(tasks({ running: runs.list() }), tasks(asked));
    while (isAsAsked()) await wake.wait(signal);
  }

  async #asked(): Promise<PollRequest> {
    const { instance, runs, inbox, freeBytes } = this.#options;
    return { instance, free_bytes: await freeBytes(), running: runs.list(), ...inbox.wants() };
  }

  async #ask(body: PollRequest, signal: AbortSignal): Promise<PollAnswer> {
    const { api, ref } = this.#options;
    const [site, host] = ref.split('/') as [string, string];
    return await api.call('poll', { params: { site, host }, body, signal });
  }

  #take(answer: PollAnswer): void {
    const { runs, inbox } = this.#options;
    runs.cancel(answer.cancelled);
    runs.start(answer.tasks);
    inbox.deliver(answer);
  }

  /** Until the next poll is due, or somebody rings. */
  async #pause(signal: AbortSignal): Promise<void> {
    const { clock, wake } = this.#options;
    const over = new AbortController();
    const either = AbortSignal.any([signal, over.signal]);
    const pauses = [clock.sleep(this.#intervalMs(), either), wake.wait(either)];
    await Promise.race(pauses).catch(() => undefined);
    over.abort(null);
    await Promise.allSettled(pauses);
  }

  #intervalMs(): number {
    const { clock, runs, inbox } = this.#options;
    const now = clock.nowMs();
    if (runs.count > 0) this.#busyMs = now;
    if (this.#urgentMs !== undefined) return this.#urgentMs;
    if (inbox.isUrgent) return this.#away ? limits.poll_busy_ms : 0;
    const idleMs = now - this.#busyMs;
    if (idleMs > limits.poll_rest_after_ms) return limits.poll_rest_ms;
    if (this.#away || idleMs > limits.poll_linger_ms) return limits.poll_idle_ms;
    // A task that has ended is mostly followed by the next one.
    const since = inbox.waitingSinceMs ?? (runs.count === 0 ? this.#busyMs : undefined);
    if (since === undefined) return limits.poll_busy_ms;
    return Math.min(limits.poll_busy_ms, Math.max(limits.poll_fast_ms, (now - since) / limits.poll_wait_share));
  }

  #lost(error: unknown): void {
    if (hasCode(error, 'HOST_UNKNOWN')) this.#options.enrolment.forget();
    if (!this.#away) this.#options.log.warn({ error: reportable(error) }, 'polling or enrolling fails; trying on');
    this.#away = true;
  }

  #back(): void {
    if (this.#away) this.#options.log.info({}, 'polling works again');
    this.#away = false;
  }
}

function isAwaited({ rounds, receipts, incoming, settled }: PollAnswer): boolean {
  return [rounds, receipts, incoming, settled].some((each) => each.length > 0);
}

function ignore(): void {}
