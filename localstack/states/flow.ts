import type { Json } from './json.ts';
import type { Source } from './paths.ts';
import type { EventEntry, FunctionError } from './ports.ts';

/** Something asked of the outside world, numbered in the order of asking, which is the same in every replay. */
export type Op = number;

export type Command =
  | { type: 'invoke'; functionName: string; payload: Json }
  | { type: 'putEvents'; entries: EventEntry[] }
  /** A task token is out; SendTaskSuccess or SendTaskFailure answers it. */
  | { type: 'callback' }
  /** A moment of the wall clock: it passes while the cloud is away, too. */
  | { type: 'wait'; untilMs: number }
  /** A span that begins anew when the cloud restarts, and at each heartbeat of the callback `beats`. */
  | { type: 'deadline'; ms: number; beats?: Op };

/** How a command ended: an answer, an error of the called function, a worker's SendTaskFailure. A timer's payload is null. */
export type Outcome = { payload: Json } | { error: FunctionError } | { failure: { error?: string; cause?: string } };

export interface Signal {
  op: Op;
  outcome: Outcome;
}

/**
 * A part of an execution as a coroutine: it runs until it must wait, yields the ops that it waits for and is resumed with
 * the first of them to end. It sees nothing of the world but these signals, so that the same signals in the same
 * order always lead to the same state: this is what makes a journal of them enough to replay an execution.
 */
export type Flow<T> = Generator<readonly Op[], T, Signal>;

/** What a flow may do; everything happens at once and nothing here waits. */
export interface World {
  nowMs(): number;
  open(command: Command): Op;
  /** Forgets an op; its outcome no longer counts. Harmless when it has ended. */
  close(op: Op): void;
  /** The token that answers a callback. */
  token(op: Op): string;
  /** Uniform in [0, 1), the same in every replay. */
  chance(): number;
  /** Appends to the history and returns the event's id. @throws StatesError States.Runtime when the history is full */
  record(type: string, details: Record<string, Json>, previousId: number): number;
  lastEventId(): number;
}

/** The context object (`$$`). */
export interface Context {
  Execution: { Id: string; Name: string; Input: Json; StartTime: string };
  StateMachine: { Id: string; Name: string };
  State?: { Name: string; EnteredTime: string; RetryCount: number };
  Task?: { Token: string };
  Map?: { Item: { Index: number; Value: Json } };
}

/** Where a flow is: the world, its context object, and its last event, which the next one names as its predecessor. */
export interface Scope {
  world: World;
  context: Context;
  trail: { lastId: number };
}

/** What the paths of a state read: its data and the context object. */
export function sourceOf(input: Json, { context }: Scope): Source {
  return { input, context: context as unknown as Json };
}

export function record(scope: Scope, type: string, details: Record<string, Json> = {}): void {
  scope.trail.lastId = scope.world.record(type, details, scope.trail.lastId);
}

interface Running<T> {
  flow: Flow<T>;
  waits: readonly Op[];
}

/**
 * Runs flows side by side, at most `width` at once, and returns their results in order. The first to fail fails the whole;
 * the others are cancelled where they stand.
 */
export function* sideBySide<T>(flows: readonly (() => Flow<T>)[], width: number): Flow<T[]> {
  const results = new Array<T>(flows.length);
  const running = new Map<number, Running<T>>();
  const advance = (index: number, flow: Flow<T>, signal?: Signal): void => {
    running.delete(index);
    const step = signal === undefined ? flow.next() : flow.next(signal);
    if (step.done) results[index] = step.value;
    else running.set(index, { flow, waits: step.value });
  };
  let started = 0;
  try {
    for (;;) {
      for (; started < flows.length && running.size < width; started++) advance(started, flows[started]!());
      if (running.size === 0) return results;
      const signal = yield [...running.values()].flatMap(({ waits }) => waits);
      const [index, { flow }] = [...running].find(([, { waits }]) => waits.includes(signal.op))!;
      advance(index, flow, signal);
    }
  } finally {
    for (const { flow } of [...running].sort(([left], [right]) => left - right).map(([, branch]) => branch)) {
      flow.return(undefined as never);
    }
  }
}

/** Waits for a span of the wall clock. */
export function* pause(seconds: number, scope: Scope): Flow<void> {
  const op = scope.world.open({ type: 'wait', untilMs: scope.world.nowMs() + Math.round(seconds * 1_000) });
  try {
    yield [op];
  } finally {
    scope.world.close(op);
  }
}
