import type { Machine } from './definition.ts';
import { StatesError } from './errors.ts';
import type { Command, Context, Flow, Op, Outcome, Signal, World } from './flow.ts';
import { History } from './history.ts';
import { runBranch } from './interpreter.ts';
import type { Json } from './json.ts';
import { errorDetails } from './task.ts';
import { draw, mintToken } from './tokens.ts';
import { loadMachine } from './validate.ts';

/** The first entry of a journal: all that an execution is made from. It keeps the definition that it started with. */
export interface Started {
  type: 'started';
  timeMs: number;
  machineArn: string;
  machineName: string;
  name: string;
  /** JSON text, as the caller gave it. */
  input: string;
  seed: number;
  definition: Json;
}

/** A later entry: a command has ended, or the user has stopped the execution. */
export type Entry =
  | { type: 'ended'; timeMs: number; op: Op; outcome: Outcome }
  | { type: 'stopped'; timeMs: number; error?: string; cause?: string };

export type Status = 'RUNNING' | 'SUCCEEDED' | 'FAILED' | 'TIMED_OUT' | 'ABORTED';

/**
 * One execution as a function of its entries: it reads no clock and touches nothing, so that applying the same entries
 * leads to the same status, history, tokens and open commands. Whoever drives it carries out the open commands.
 */
export class Run {
  readonly arn: string;
  readonly started: Started;
  readonly history = new History();
  /** What the execution waits for. */
  readonly open = new Map<Op, Command>();
  status: Status = 'RUNNING';
  output: Json | undefined;
  /** Why it did not succeed. */
  error: string | undefined;
  cause: string | undefined;
  stoppedMs: number | undefined;
  /** The time of the last entry. */
  nowMs: number;
  #opsOpened = 0;
  #draws = 0;
  readonly #root: Flow<Json>;
  readonly #deadline: Op | undefined;

  /** @throws CloudError DEFINITION_REFUSED */
  constructor(started: Started) {
    this.started = started;
    this.arn = executionArn(started.machineArn, started.name);
    this.nowMs = started.timeMs;
    const machine = loadMachine(started.definition, started.machineName);
    const input = JSON.parse(started.input) as Json;
    this.history.add('ExecutionStarted', this.nowMs, { input }, 0);
    this.#deadline = this.#openDeadline(machine);
    const context = this.#context(input);
    this.#root = runBranch(machine, input, { world: this.#world(), context, trail: { lastId: 0 } });
    this.#resume();
  }

  token(op: Op): string {
    return mintToken(this.arn, op, this.started.seed);
  }

  /** Moves on by one entry. @throws RangeError if the entry does not belong to this point of this execution */
  apply(entry: Entry): void {
    this.nowMs = entry.timeMs;
    if (this.status !== 'RUNNING') throw new RangeError(`the execution is ${this.status}, but an entry follows`);
    if (entry.type === 'stopped') {
      this.#end('ABORTED', 'ExecutionAborted', new StatesError(entry.error, entry.cause));
    } else {
      if (!this.open.delete(entry.op)) throw new RangeError(`op ${entry.op} ended, but it is not open`);
      if (entry.op === this.#deadline) this.#end('TIMED_OUT', 'ExecutionTimedOut', new StatesError('States.Timeout'));
      else this.#resume(entry);
    }
  }

  /** Ends an execution that can't go on, for a reason outside of it. */
  fail(reason: string): void {
    this.#end('FAILED', 'ExecutionFailed', new StatesError('States.Runtime', reason));
  }

  #resume(signal?: Signal): void {
    try {
      const step = signal === undefined ? this.#root.next() : this.#root.next(signal);
      if (!step.done) return;
      this.output = step.value;
      this.#end('SUCCEEDED', 'ExecutionSucceeded', undefined);
    } catch (error) {
      this.#end(
        'FAILED',
        'ExecutionFailed',
        error instanceof StatesError ? error : new StatesError('States.Runtime', String(error)),
      );
    }
  }

  #end(status: Status, event: string, error: StatesError | undefined): void {
    this.status = status;
    this.stoppedMs = this.nowMs;
    this.error = error?.errorName;
    this.cause = error?.causeText;
    this.open.clear();
    this.history.end(event, this.nowMs, error === undefined ? { output: this.output! } : errorDetails(error));
  }

  #openDeadline(machine: Machine): Op | undefined {
    if (machine.TimeoutSeconds === undefined) return undefined;
    return this.#open({ type: 'wait', untilMs: this.nowMs + machine.TimeoutSeconds * 1_000 });
  }

  #open(command: Command): Op {
    this.#opsOpened += 1;
    this.open.set(this.#opsOpened, command);
    return this.#opsOpened;
  }

  #context(input: Json): Context {
    const { machineArn, machineName, name, timeMs } = this.started;
    return {
      Execution: { Id: this.arn, Name: name, Input: input, StartTime: new Date(timeMs).toISOString() },
      StateMachine: { Id: machineArn, Name: machineName },
    };
  }

  #world(): World {
    return {
      nowMs: () => this.nowMs,
      open: (command) => this.#open(command),
      close: (op) => void this.open.delete(op),
      token: (op) => this.token(op),
      chance: () => draw(this.started.seed, `chance ${this.#draws++}`).readUInt32BE() / 2 ** 32,
      record: (type, details, previousId) => this.history.add(type, this.nowMs, details, previousId),
      lastEventId: () => this.history.events.length,
    };
  }
}

export function executionArn(machineArn: string, name: string): string {
  return `${machineArn.replace(':stateMachine:', ':execution:')}:${name}`;
}
