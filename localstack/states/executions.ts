import { CloudError, ServiceError } from '../errors.ts';
import { Execution } from './execution.ts';
import type { Journal } from './journal.ts';
import { brokenJournal, journalFile, listJournals, noJournal, openJournal, readJournal } from './journal.ts';
import type { Json } from './json.ts';
import { limits } from './limits.ts';
import type { Ports } from './ports.ts';
import type { Started } from './run.ts';
import { executionArn, Run } from './run.ts';
import { draw } from './tokens.ts';
import { loadMachine } from './validate.ts';

export interface MachineSource {
  readonly arn: string;
  readonly name: string;
  /** The States Language definition, parsed. */
  readonly definition: unknown;
}

/** Stricter than AWS, which takes some punctuation, too: a name is part of a file name here. */
const NAME = /^[\w-][\w.-]*$/;

/** All executions of all machines: started, remembered, found again after a restart. */
export class Executions {
  readonly machines: ReadonlyMap<string, MachineSource>;
  readonly #ports: Ports;
  readonly #dir: string | undefined;
  readonly #byArn = new Map<string, Execution>();
  /** Ended executions, the one that ended first at the front. */
  readonly #closed = new Set<Execution>();
  readonly #halt = new AbortController();

  /** @throws CloudError DEFINITION_REFUSED, JOURNAL_BROKEN */
  constructor(machines: readonly MachineSource[], ports: Ports, dir: string | undefined) {
    for (const { name, definition } of machines) {
      if (!isName(name)) throw new CloudError('MACHINE_NAME_REFUSED', `"${name}" can't name a file`, 'Rename it.');
      loadMachine(definition, name);
    }
    this.machines = new Map(machines.map((machine) => [machine.arn, machine]));
    this.#ports = ports;
    this.#dir = dir;
    if (dir !== undefined) this.#load(dir);
  }

  /**
   * Starts an execution, or finds the running one that has the same name and input.
   * @throws ServiceError as StartExecution does
   */
  start(machineArn: string, givenName: string | undefined, input: string): Execution {
    const { clock, random } = this.#ports;
    const machine = this.machines.get(machineArn);
    if (machine === undefined) {
      throw new ServiceError('StateMachineDoesNotExist', `State Machine Does Not Exist: '${machineArn}'`);
    }
    const name = givenName ?? draw(random(), 'name').toString('hex', 0, 16);
    if (!isName(name)) throw new ServiceError('InvalidName', `Invalid Name: '${name}'`);
    checkInput(input);
    const existing = this.#byArn.get(executionArn(machineArn, name));
    if (existing !== undefined) return sameOrRefused(existing, input);
    if (this.#byArn.size - this.#closed.size >= limits.executions_open_max) {
      throw new ServiceError('ExecutionLimitExceeded', `${limits.executions_open_max} executions are running`);
    }
    return this.#begin({
      type: 'started',
      timeMs: clock.nowMs(),
      machineArn,
      machineName: machine.name,
      name,
      input,
      seed: random(),
      definition: machine.definition as Json,
    });
  }

  get(arn: string): Execution | undefined {
    return this.#byArn.get(arn);
  }

  /** The newest first. */
  list(machineArn: string): Execution[] {
    return [...this.#byArn.values()]
      .filter(({ run }) => run.started.machineArn === machineArn)
      .reverse()
      .sort((left, right) => right.run.started.timeMs - left.run.started.timeMs);
  }

  /** Invokes again what was in flight when the cloud went away, and sets the timers. */
  resume(): void {
    for (const execution of this.#byArn.values()) execution.go();
  }

  halt(): void {
    this.#halt.abort();
    for (const execution of this.#byArn.values()) execution.halt();
  }

  #begin(started: Started): Execution {
    const journal =
      this.#dir === undefined ? noJournal : openJournal(journalFile(this.#dir, started.machineName, started.name));
    const run = new Run(started);
    try {
      journal.append(JSON.stringify(started));
    } catch (error) {
      journal.remove();
      throw new ServiceError('InternalServerError', `The journal could not be written: ${String(error)}`, 500);
    }
    const execution = this.#add(run, journal);
    execution.go();
    return execution;
  }

  #add(run: Run, journal: Journal): Execution {
    const execution = new Execution(run, this.#ports, journal, this.#halt.signal, (ended) => this.#ended(ended));
    this.#byArn.set(run.arn, execution);
    if (run.status !== 'RUNNING') this.#close(execution);
    return execution;
  }

  #ended(execution: Execution): void {
    const { arn, status, started } = execution.run;
    this.#close(execution);
    this.#ports.onEnd?.({ arn, status, machineArn: started.machineArn, name: started.name });
  }

  #close(execution: Execution): void {
    this.#closed.add(execution);
    if (this.#closed.size <= limits.executions_closed_max) return;
    const [oldest] = this.#closed;
    this.#closed.delete(oldest!);
    this.#byArn.delete(oldest!.run.arn);
    oldest!.forget();
  }

  #load(dir: string): void {
    const runs = listJournals(dir).flatMap((file) => {
      const run = replay(file);
      return run === undefined ? [] : [{ run, file }];
    });
    const endedMs = (run: Run): number => run.stoppedMs ?? Number.MAX_SAFE_INTEGER;
    runs.sort((left, right) => endedMs(left.run) - endedMs(right.run));
    for (const { run, file } of runs) this.#add(run, openJournal(file));
  }
}

/** An execution as its journal left it. @throws CloudError JOURNAL_BROKEN when an entry does not follow from the others */
function replay(file: string): Run | undefined {
  const journal = readJournal(file);
  if (journal === undefined) return undefined;
  const run = new Run(journal.started);
  journal.entries.forEach((entry, index) => {
    try {
      run.apply(entry);
    } catch (error) {
      throw brokenJournal(file, index + 2, error);
    }
  });
  return run;
}

function isName(name: string): boolean {
  return NAME.test(name) && name.length <= limits.name_chars_max;
}

function sameOrRefused(existing: Execution, input: string): Execution {
  const { run } = existing;
  if (run.status === 'RUNNING' && run.started.input === input) return existing;
  throw new ServiceError('ExecutionAlreadyExists', `Execution Already Exists: '${run.arn}'`);
}

function checkInput(input: string): void {
  if (Buffer.byteLength(input) > limits.payload_bytes_max) {
    throw new ServiceError('InvalidExecutionInput', `The input is larger than ${limits.payload_bytes_max} bytes.`);
  }
  try {
    JSON.parse(input);
  } catch (error) {
    throw new ServiceError(
      'InvalidExecutionInput',
      `Invalid State Machine Execution Input: '${(error as Error).message}'`,
    );
  }
}
