import { withDeadline } from '../../adapters/deadline.ts';
import type { Incoming } from '../../core/api/agent.ts';
import type { Blackout, StreamCounts, TaskInput, TaskResult } from '../../core/api/tasks.ts';
import { mustCatchUp } from '../../core/convergence/catch-up.ts';
import { errorToJson, hasCode, LayerMoverError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import { assertAgreed, type Receipt } from '../../core/receipt.ts';
import { abortable } from '../flow/abortable.ts';
import type { PushJournal } from '../journal/push-journal.ts';
import { type Handover, ramHandover, stopHandover } from '../live/handover.ts';
import type { LiveSession } from '../live/session.ts';
import { quit } from '../qemu/guest.ts';
import { commitVm } from './commit.ts';
import { IncomingWords } from './incoming-word.ts';
import { liveReceipt } from './live-receipt.ts';
import { vmOutcome } from './outcome.ts';
import { sessionOf } from './round.ts';
import { type SentRound, sendRound, withRoundJournal } from './send-round.ts';
import { takeBack } from './take-back.ts';
import type { TaskHost, TaskRun } from './task.ts';

export type LiveCutoverInput = Extract<TaskInput, { kind: 'cutover' }> & {
  live: NonNullable<Extract<TaskInput, { kind: 'cutover' }>['live']>;
};

/**
 * Hands a running VM over: rounds until the destination has nearly all, then, with the guest stopped, the last one, the
 * destination's receipt and the commit. Whatever fails before the commit, the guest runs on here, tracked as before.
 * Errors: COMMIT_UNKNOWN, PAUSE_TOO_LONG, RAM_FAILED, RECEIPTS_DIFFER, EPOCH_STALE, those of Sessions.use and of sendRound.
 */
export async function cutoverRunning(host: TaskHost, run: TaskRun, input: LiveCutoverInput): Promise<TaskResult> {
  const { migration, chain } = input;
  await host.live.settled(chain.vm);
  const outcome = run.attempt > 1 ? await vmOutcome(host.api, migration, chain.vm, run.signal) : 'moving';
  if (outcome === 'committed') return { kind: 'cutover', streams: [] };
  return host.live.use(sessionOf(input), run.signal, (session) =>
    withRoundJournal(host, input, session, (journal) => new LiveCutover(host, run, input, { session, journal }).run()),
  );
}

class LiveCutover {
  readonly #host: TaskHost;
  readonly #run: TaskRun;
  readonly #input: LiveCutoverInput;
  readonly #session: LiveSession;
  readonly #journal: PushJournal;
  #sequence = 0;
  #rounds = 0;
  #last: SentRound | undefined;
  /** Bytes that were left to copy when the guest was looked at last. */
  #remaining = 0;

  constructor(
    host: TaskHost,
    run: TaskRun,
    input: LiveCutoverInput,
    { session, journal }: { session: LiveSession; journal: PushJournal },
  ) {
    this.#journal = journal;
    this.#host = host;
    this.#run = run;
    this.#input = input;
    this.#session = session;
  }

  async run(): Promise<TaskResult> {
    const { live, news } = this.#host;
    const { chain, live: wish, epoch } = this.#input;
    const { signal, task } = this.#run;
    await this.#session.slowDown(wish.throttle_bytes_per_second, signal);
    if (!this.#session.hasAll) await this.#round();
    return news.urgently(async () => {
      // Asked for before the pause: a poll that asks for something else than the one that waits takes its time.
      const theirs = news.receipt(this.#input.migration, chain.vm, signal);
      theirs.catch(() => undefined);
      const uri = await this.#catchUp();
      await live.note(chain.vm, { kind: wish.cutover, task, epoch });
      const handover = await this.#begin(uri).catch(async (error: unknown) => {
        await live.note(chain.vm, undefined);
        throw error;
      });
      const blackout = await this.#handOver(handover, theirs);
      await quit(this.#session.qmp);
      await live.gone(chain.vm);
      return { kind: 'cutover', streams: this.#streams, ...(blackout === undefined ? {} : { blackout }) } as const;
    });
  }

  #begin(uri: string | undefined): Promise<Handover> {
    const { clock } = this.#host;
    const { live } = this.#input;
    const { qmp } = this.#session;
    if (live.cutover === 'stop') return stopHandover(qmp, clock, this.#run.signal);
    return ramHandover(qmp, { uri: uri!, maxDowntimeMs: live.max_downtime_ms, clock }, this.#run.signal);
  }

  get #streams(): StreamCounts[] {
    return this.#last === undefined ? [] : [this.#last.counts];
  }

  /** Rounds until little is left and the destination has written the rest. Answers where it takes the guest's memory. */
  async #catchUp(): Promise<string | undefined> {
    const { news, api } = this.#host;
    const { migration, chain } = this.#input;
    const { signal } = this.#run;
    const words = new IncomingWords(news.incoming(migration, chain.vm, signal), signal);
    try {
      await this.#word(words);
      const left = [await this.#session.remainingBytes(signal)];
      while (mustCatchUp(left)) {
        await this.#round();
        left.push(await this.#session.remainingBytes(signal));
      }
      this.#remaining = left.at(-1)!;
      // The function that commits has been called by then: it does not start in the pause.
      const [word] = await Promise.all([this.#word(words), vmOutcome(api, migration, chain.vm, signal)]);
      return word.uri;
    } finally {
      await words.close();
    }
  }

  /** The destination's word that it has written all that was committed. */
  #word(words: IncomingWords): Promise<Incoming> {
    return words.until({ cursor: this.#session.cursor, cutover: this.#input.live.cutover });
  }

  async #round(): Promise<void> {
    const { places } = this.#host;
    // A first round reads all of the disk; later ones are small, and nobody's turn is waited for.
    const send = () => this.#send(this.#run, false);
    this.#last = this.#session.hasAll ? await send() : await places.source(this.#run.signal, send);
  }

  async #send(run: TaskRun, isLast: boolean): Promise<SentRound> {
    const wanted = { number: this.#rounds++, isLast, sequence: this.#sequence, journal: this.#journal };
    const sent = await sendRound(this.#host, run, this.#input, this.#session, wanted);
    this.#sequence = sent.sequence;
    return sent;
  }

  /** Undefined if nobody knows how long the pause was. */
  async #handOver(handover: Handover, theirs: Promise<Receipt>): Promise<Blackout | undefined> {
    const { clock } = this.#host;
    let isCommitting = false;
    try {
      const pausedMs = await handover.stop((...when) => this.#untilStopped(...when), this.#run.signal);
      const receipt = await this.#agree(theirs);
      isCommitting = true;
      await this.#commit(receipt);
      const storageMs = clock.nowMs() - pausedMs;
      const hasGone = await this.#goOn(handover);
      if (!hasGone) return undefined;
      const { dirty_bytes: lastBytes } = this.#last!.stats;
      return { total_ms: clock.nowMs() - pausedMs, storage_ms: storageMs, last_bytes: lastBytes };
    } catch (error) {
      if (hasCode(error, 'RAM_FAILED') && isCommitting) throw error;
      await this.#recover(handover, error, isCommitting);
      throw error;
    }
  }

  /**
   * What is written while the memory is sent goes as well, so that little is left when the guest stops. But a round that
   * is not over by then is waited for: the pause is shorter without it.
   */
  async #untilStopped(stopped: AbortSignal, leftMs: number): Promise<void> {
    const { clock } = this.#host;
    const { signal } = this.#run;
    this.#remaining = await this.#session.remainingBytes(signal);
    const roundMs = this.#last?.stats.milliseconds ?? limits.round_fixed_ms;
    const isWorth = this.#remaining > limits.cutover_small_bytes && leftMs > roundMs;
    if (isWorth && !stopped.aborted) return this.#round();
    await clock.sleep(limits.ram_look_ms, AbortSignal.any([signal, stopped])).catch(() => signal.throwIfAborted());
  }

  /** The last round, and both sides' agreement on all that the VM holds. The guest is stopped all the while. */
  async #agree(theirs: Promise<Receipt>): Promise<Receipt> {
    const { clock } = this.#host;
    const { chain } = this.#input;
    const link = this.#last?.stats.link_bytes_per_second ?? 0;
    const expectedMs = (1000 * this.#remaining) / Math.max(link, limits.rate_bytes_per_second_min);
    const ms = limits.pause_ms_max + Math.round(4 * expectedMs);
    const late = () => pauseTooLong(chain.vm, ms);
    const work = async (signal: AbortSignal) => {
      this.#last = await this.#send({ ...this.#run, signal, cut: signal }, true);
      const own = await liveReceipt(this.#host, this.#input, this.#last.layerId!);
      assertAgreed(own, await abortable(theirs, signal));
      return own;
    };
    return withDeadline(work, { clock, ms, late, signal: this.#run.signal });
  }

  /** A guest that waits to go waits for the answer for some time; one that is paused as long as it takes. */
  async #commit(receipt: Receipt): Promise<void> {
    const { signal } = this.#run;
    const commit = (within: AbortSignal) =>
      commitVm(this.#host, { ...this.#run, signal: within }, this.#input, receipt);
    if (this.#input.live.cutover === 'stop') return commit(signal);
    const deadline = { clock: this.#host.clock, ms: limits.commit_unknown_ms_max, late: commitUnknown, signal };
    await withDeadline(commit, deadline);
  }

  /** The VM is committed. True if it has gone; false if nobody knows, which leaves it the destination's. */
  async #goOn(handover: Handover): Promise<boolean> {
    const { log } = this.#host;
    const { vm } = this.#input.chain;
    try {
      await handover.goOn();
      return true;
    } catch (error) {
      if (!hasCode(error, 'RAM_FAILED')) {
        log.warn({ vm, error: errorToJson(error) }, 'the VM is committed; its QEMU can’t be asked whether it has gone');
        return false;
      }
      // Proven: no processor of the guest has run at the destination.
      if (!(await this.#takeBack())) await this.#letGo();
      else {
        await handover.giveUp();
        await this.#host.live.note(vm, undefined);
      }
      throw error;
    }
  }

  /** The guest runs on here, as soon as it is certain that it is ours to run. */
  async #recover(handover: Handover, error: unknown, isCommitting: boolean): Promise<void> {
    const { live, log } = this.#host;
    const { vm } = this.#input.chain;
    log.warn({ vm, error: errorToJson(error) }, 'the VM is not handed over');
    // A stale epoch alone proves that no attempt passed: another refusal may be that of a second one.
    const isUnknown = isCommitting && !hasCode(error, 'EPOCH_STALE');
    const isOurs = async () => !isUnknown || (await this.#takeBack());
    const isStopped = this.#input.live.cutover === 'stop';
    if (isStopped && !(await isOurs())) return this.#letGo();
    await handover.giveUp();
    // A guest whose memory has not gone runs nowhere else: it does not wait for the cloud to answer.
    if (!isStopped && !(await isOurs())) return this.#letGo();
    await live.note(vm, undefined);
  }

  /** The VM is the destination's: what runs here is not to run any more. */
  async #letGo(): Promise<void> {
    await quit(this.#session.qmp);
    await this.#host.live.gone(this.#input.chain.vm);
  }

  /** Asked until the cloud answers: what the guest may do hangs on it. */
  #takeBack(): Promise<boolean> {
    const { migration, epoch, chain } = this.#input;
    const of = { migration, vm: chain.vm, task: this.#run.task, epoch };
    return takeBack(this.#host, of, this.#host.live.stopping);
  }
}

function commitUnknown(): LayerMoverError {
  return new LayerMoverError('COMMIT_UNKNOWN', `the cloud did not answer within ${limits.commit_unknown_ms_max} ms`, {
    hint: 'the guest runs on here and is taken back as soon as the cloud answers; `layermover resume ID` tries again',
  });
}

function pauseTooLong(vm: string, ms: number): LayerMoverError {
  return new LayerMoverError('PAUSE_TOO_LONG', `${vm} was stopped for ${ms} ms and its destination had not all of it`, {
    hint: 'the guest runs on here; see whether destination and network keep up, then `layermover resume ID`',
    data: { vm },
  });
}
