import { ServiceError } from '../errors.ts';
import type { Command, Op, Outcome } from './flow.ts';
import type { Journal } from './journal.ts';
import type { Json } from './json.ts';
import type { FunctionError, Ports } from './ports.ts';
import type { Entry, Run } from './run.ts';

/** An execution at work: carries out what its run has open, writes down each outcome, applies it, and so on. */
export class Execution {
  readonly run: Run;
  readonly #ports: Ports;
  readonly #journal: Journal;
  /** Aborts when the cloud stops. */
  readonly #halt: AbortSignal;
  readonly #onEnd: (execution: Execution) => void;
  /** Commands under way; timers can be cancelled. */
  readonly #begun = new Map<Op, (() => void) | undefined>();
  #latestMs: number;
  #aheadMs = 0;

  constructor(run: Run, ports: Ports, journal: Journal, halt: AbortSignal, onEnd: (execution: Execution) => void) {
    this.run = run;
    this.#ports = ports;
    this.#journal = journal;
    this.#halt = halt;
    this.#onEnd = onEnd;
    this.#latestMs = run.nowMs;
  }

  /** Carries out every open command that is not under way. After a restart this is all of them. */
  go(): void {
    if (this.#halt.aborted) return;
    for (const [op, command] of this.run.open) {
      if (!this.#begun.has(op)) this.#begin(op, command);
    }
  }

  /** Ends a callback. @returns false when no one waits for it any more @throws ServiceError when it can't be noted */
  answer(op: Op, outcome: Outcome): boolean {
    if (this.run.open.get(op)?.type !== 'callback') return false;
    this.#writeForCaller({ type: 'ended', timeMs: this.#nowMs(), op, outcome });
    return true;
  }

  /** Restarts the heartbeat deadline of a callback. @returns false when no one waits for it any more */
  beat(callback: Op): boolean {
    if (this.run.open.get(callback)?.type !== 'callback') return false;
    for (const [op, command] of this.run.open) {
      if (command.type === 'deadline' && command.beats === callback) {
        this.#begun.get(op)?.();
        this.#begin(op, command);
      }
    }
    return true;
  }

  stop(reason: { error?: string; cause?: string }): void {
    if (this.run.status === 'RUNNING') this.#writeForCaller({ type: 'stopped', timeMs: this.#nowMs(), ...reason });
  }

  /** Cancels all timers; what still returns is dropped. */
  halt(): void {
    for (const cancel of this.#begun.values()) cancel?.();
    this.#begun.clear();
  }

  forget(): void {
    this.#journal.remove();
  }

  /** Time never runs backwards within an execution, nor does it stand still: where the clock is set back, it goes on from there. */
  #nowMs(): number {
    const nowMs = this.#ports.clock.nowMs();
    this.#aheadMs = Math.max(this.#aheadMs, this.#latestMs - nowMs);
    this.#latestMs = nowMs + this.#aheadMs;
    return this.#latestMs;
  }

  #ended(op: Op, outcome: Outcome): void {
    if (this.#halt.aborted || !this.run.open.has(op)) return;
    this.#write({ type: 'ended', timeMs: this.#nowMs(), op, outcome });
  }

  #writeForCaller(entry: Entry): void {
    if (!this.#write(entry)) throw new ServiceError('InternalServerError', this.run.cause ?? 'not written', 500);
  }

  /** What is applied is what the line says, so that a replay sees the very same values. */
  #write(entry: Entry): boolean {
    const line = JSON.stringify(entry);
    const written = this.#append(line);
    if (written) this.run.apply(JSON.parse(line) as Entry);
    this.#dropClosed();
    this.go();
    if (this.run.status !== 'RUNNING') this.#onEnd(this);
    return written;
  }

  /** Nothing can be built on an entry that may be lost: the execution fails here, and goes on from its journal at a restart. */
  #append(line: string): boolean {
    try {
      this.#journal.append(line);
      return true;
    } catch (error) {
      this.run.fail(`The execution's journal could not be written: ${String(error)}`);
      return false;
    }
  }

  #dropClosed(): void {
    for (const [op, cancel] of this.#begun) {
      if (this.run.open.has(op)) continue;
      cancel?.();
      this.#begun.delete(op);
    }
  }

  #begin(op: Op, command: Command): void {
    switch (command.type) {
      case 'invoke':
        this.#begun.set(op, undefined);
        this.#call(op, 'Lambda', async () => {
          const result = await this.#ports.invoke(command.functionName, command.payload, this.#halt);
          return 'error' in result ? { error: result.error } : { payload: (result.payload ?? null) as Json };
        });
        break;
      case 'putEvents':
        this.#begun.set(op, undefined);
        this.#call(op, 'EventBridge', async () => {
          const result = await this.#ports.putEvents(command.entries);
          return { payload: result as unknown as Json };
        });
        break;
      case 'callback':
        this.#begun.set(op, undefined);
        break;
      case 'wait':
        this.#schedule(op, command.untilMs);
        break;
      case 'deadline':
        this.#schedule(op, this.#nowMs() + command.ms);
        break;
    }
  }

  #call(op: Op, service: string, call: () => Promise<Outcome>): void {
    call().then(
      (outcome) => this.#ended(op, outcome),
      (error) => this.#ended(op, { error: sdkError(service, error) }),
    );
  }

  /** A clock may ring early (setTimeout counts in 31 bits): then it is set again. */
  #schedule(op: Op, dueMs: number): void {
    const ring = (): void => {
      if (this.#nowMs() < dueMs) this.#schedule(op, dueMs);
      else this.#ended(op, { payload: null });
    };
    this.#begun.set(op, this.#ports.clock.schedule(Math.max(0, dueMs - this.#nowMs()), ring));
  }
}

/** A call that the service refused, or that did not reach it, as Step Functions names it. */
function sdkError(service: string, error: unknown): FunctionError {
  const name = error instanceof ServiceError ? error.code : 'SdkClientException';
  return { errorType: `${service}.${name}`, errorMessage: error instanceof Error ? error.message : String(error) };
}
