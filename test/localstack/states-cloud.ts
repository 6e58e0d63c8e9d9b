import type { Clock } from '../../localstack/clock.ts';
import type { States } from '../../localstack/states/api.ts';
import { createStates } from '../../localstack/states/api.ts';
import type { Json } from '../../localstack/states/json.ts';
import type { EventEntry, FunctionError, InvokeResult, Ports } from '../../localstack/states/ports.ts';

/** Time that moves only when a test says so, from one appointment to the next. */
export class SimulatedClock implements Clock {
  #nowMs: number;
  #setMs = 0;
  #appointments: { atMs: number; action: () => void }[] = [];

  constructor(startMs = Date.UTC(2030, 0, 1)) {
    this.#nowMs = startMs;
  }

  nowMs(): number {
    return this.#nowMs + this.#setMs;
  }

  /** Somebody sets the clock; appointments come when they would have. */
  set(byMs: number): void {
    this.#setMs += byMs;
  }

  schedule(delayMs: number, action: () => void): () => void {
    const appointment = { atMs: this.#nowMs + delayMs, action };
    this.#appointments.push(appointment);
    return () => {
      this.#appointments = this.#appointments.filter((other) => other !== appointment);
    };
  }

  /** Lets time pass: all appointments of the span are kept in order, whatever they cause included. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms;
    for (;;) {
      await settled();
      const next = this.#appointments.toSorted((left, right) => left.atMs - right.atMs)[0];
      if (next === undefined || next.atMs > untilMs) break;
      this.#appointments = this.#appointments.filter((other) => other !== next);
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.action();
    }
    this.#nowMs = Math.max(this.#nowMs, untilMs);
  }

  /** Lets time pass until nothing is left to happen. */
  async run(): Promise<void> {
    await settled();
    while (this.#appointments.length > 0) {
      await this.advance(Math.max(0, Math.min(...this.#appointments.map(({ atMs }) => atMs)) - this.#nowMs));
    }
  }
}

/** All promises that could go on without time passing have gone on. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** Thrown by a test's function to fail as a Lambda function does. */
export class FunctionFailure extends Error {
  readonly reply: FunctionError;

  constructor(errorType: string, errorMessage = 'on purpose') {
    super(errorMessage);
    this.reply = { errorType, errorMessage };
  }
}

/** A test's function knows what it is sent: it may declare any type of payload. */
export type TestFunction = (payload: never, cloud: TestCloud) => unknown;

export interface TestCloudOptions {
  functions?: Record<string, TestFunction>;
  dir?: string;
  clock?: SimulatedClock;
  random?: () => number;
  putEvents?: Ports['putEvents'];
}

const MACHINE_ARN = 'arn:aws:states:eu-central-1:000000000000:stateMachine:mover';

/** Step Functions with one machine, functions of the test, and a simulated clock. */
export class TestCloud {
  readonly clock: SimulatedClock;
  readonly states: States;
  /** Every invocation in order. */
  readonly calls: { name: string; payload: Json; atMs: number }[] = [];
  readonly events: EventEntry[] = [];

  constructor(definition: unknown, { functions = {}, dir, clock, random, putEvents }: TestCloudOptions = {}) {
    this.clock = clock ?? new SimulatedClock();
    this.states = createStates({
      machines: [{ arn: MACHINE_ARN, name: 'mover', definition }],
      ...(dir === undefined ? {} : { dir }),
      clock: this.clock,
      random: random ?? (() => 0.5),
      invoke: (name, payload) => this.#invoke(functions, name, payload),
      putEvents:
        putEvents ??
        (async (entries) => {
          this.events.push(...entries);
          return { FailedEntryCount: 0, Entries: entries.map((_entry, index) => ({ EventId: `event-${index}` })) };
        }),
    });
  }

  async #invoke(functions: Record<string, TestFunction>, name: string, payload: Json): Promise<InvokeResult> {
    this.calls.push({ name, payload, atMs: this.clock.nowMs() });
    try {
      return { payload: await functions[name]!(payload as never, this) };
    } catch (error) {
      if (error instanceof FunctionFailure) return { error: error.reply };
      throw error;
    }
  }

  call<T = Record<string, unknown>>(target: string, body: object): Promise<T> {
    return this.states.call(target, body) as Promise<T>;
  }

  delay(ms: number): Promise<void> {
    return new Promise((resolve) => void this.clock.schedule(ms, resolve));
  }

  async start(input: Json = {}, name = 'one'): Promise<string> {
    const { executionArn } = await this.call<{ executionArn: string }>('StartExecution', {
      stateMachineArn: MACHINE_ARN,
      name,
      input: JSON.stringify(input),
    });
    return executionArn;
  }

  /** Starts an execution, lets time pass until it has ended, and tells how. */
  async run(input: Json = {}, name = 'one'): Promise<Ended> {
    const executionArn = await this.start(input, name);
    await this.clock.run();
    return this.describe(executionArn);
  }

  async describe(executionArn: string): Promise<Ended> {
    const { status, output, error, cause } = await this.call<Record<string, string>>('DescribeExecution', {
      executionArn,
    });
    return {
      status: status!,
      ...(output === undefined ? {} : { output: JSON.parse(output) as Json }),
      ...(error === undefined ? {} : { error }),
      ...(cause === undefined ? {} : { cause }),
    };
  }

  async history(executionArn: string): Promise<WireEvent[]> {
    const events: WireEvent[] = [];
    let nextToken: string | undefined;
    do {
      const page: { events: WireEvent[]; nextToken?: string } = await this.call('GetExecutionHistory', {
        executionArn,
        maxResults: 1_000,
        ...(nextToken === undefined ? {} : { nextToken }),
      });
      events.push(...page.events);
      nextToken = page.nextToken;
    } while (nextToken !== undefined);
    return events;
  }

  async types(executionArn: string): Promise<string[]> {
    return (await this.history(executionArn)).map(({ type }) => type);
  }
}

export interface Ended {
  status: string;
  output?: Json;
  error?: string;
  cause?: string;
}

export interface WireEvent {
  id: number;
  previousEventId: number;
  type: string;
  timestamp: number;
  [details: string]: unknown;
}

/** A machine of one state. */
export function single(state: object): object {
  return {
    StartAt: 'Only',
    States: { Only: { ...state, ...('Type' in state && endless(state) ? {} : { End: true }) } },
  };
}

function endless(state: { Type?: unknown }): boolean {
  return ['Choice', 'Succeed', 'Fail'].includes(String(state.Type));
}

export function functionArn(name: string): string {
  return `arn:aws:lambda:eu-central-1:000000000000:function:${name}`;
}

/** A Task that invokes a function with its input and puts out the function's result. */
export function invoke(name: string, fields: object = {}): object {
  return {
    Type: 'Task',
    Resource: 'arn:aws:states:::lambda:invoke',
    Parameters: { FunctionName: name, 'Payload.$': '$' },
    ResultSelector: { 'result.$': '$.Payload' },
    OutputPath: '$.result',
    ...fields,
  };
}

/** A Task that hands a function its token and waits for the callback. */
export function withToken(name: string, fields: object = {}): object {
  return {
    Type: 'Task',
    Resource: 'arn:aws:states:::lambda:invoke.waitForTaskToken',
    Parameters: { FunctionName: name, Payload: { 'token.$': '$$.Task.Token', 'input.$': '$' } },
    ...fields,
  };
}
