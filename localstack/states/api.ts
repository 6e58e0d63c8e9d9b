import { ServiceError } from '../errors.ts';
import type { Execution } from './execution.ts';
import type { MachineSource } from './executions.ts';
import { Executions } from './executions.ts';
import type { Op } from './flow.ts';
import { toWire } from './history.ts';
import type { Json } from './json.ts';
import { limits } from './limits.ts';
import type { Ports } from './ports.ts';
import type { Request, Target } from './requests.ts';
import { paginate, parseRequest, requests } from './requests.ts';
import { readToken } from './tokens.ts';

/** Step Functions as far as the product calls it, in AWS JSON 1.0 (`x-amz-target: AWSStepFunctions.<target>`). */
export interface States {
  /** Answers one call. @throws ServiceError with AWS's error code */
  call(target: string, body: unknown): Promise<unknown>;
  /**
   * Sets going what was under way when the cloud went away: functions are invoked again, callbacks keep their tokens,
   * a task's time-out and heartbeat begin anew, Wait states, retries and the execution's own time-out go by the clock.
   */
  resume(): void;
  /** Cancels timers and drops whatever still returns; the journals hold all that was acknowledged. */
  stop(): Promise<void>;
}

/**
 * @param dir where executions are journalled; without it they are forgotten at the end of the process
 * @throws CloudError DEFINITION_REFUSED for a machine that uses what is not supported, JOURNAL_BROKEN
 */
export function createStates({
  machines,
  dir,
  ...ports
}: { machines: readonly MachineSource[]; dir?: string } & Ports): States {
  const executions = new Executions(machines, ports, dir);
  const createdMs = ports.clock.nowMs();
  const answers = createAnswers(executions, createdMs);
  let stopped = false;
  return {
    async call(target, body) {
      if (stopped) throw new ServiceError('ServiceUnavailable', 'The cloud is stopping.', 503);
      if (!Object.hasOwn(requests, target)) {
        throw new ServiceError('UnknownOperationException', `${target} is not supported`);
      }
      return answer(answers, target as Target, body);
    },
    resume: () => executions.resume(),
    async stop() {
      stopped = true;
      executions.halt();
    },
  };
}

type Answers = { [T in Target]: (request: Request<T>) => unknown };

function answer<T extends Target>(answers: Answers, target: T, body: unknown): unknown {
  return answers[target](parseRequest(target, body));
}

function createAnswers(executions: Executions, createdMs: number): Answers {
  const execution = (arn: string): Execution => {
    const found = executions.get(arn);
    if (found === undefined) throw new ServiceError('ExecutionDoesNotExist', `Execution Does Not Exist: '${arn}'`);
    return found;
  };
  const machine = (arn: string): MachineSource => {
    const found = executions.machines.get(arn);
    if (found === undefined)
      throw new ServiceError('StateMachineDoesNotExist', `State Machine Does Not Exist: '${arn}'`);
    return found;
  };
  return {
    StartExecution({ stateMachineArn, name, input }) {
      const { run } = executions.start(stateMachineArn, name, input);
      return { executionArn: run.arn, startDate: toSeconds(run.started.timeMs) };
    },
    DescribeExecution: ({ executionArn }) => describe(execution(executionArn)),
    ListExecutions({ stateMachineArn, statusFilter, ...page }) {
      machine(stateMachineArn);
      const listed = executions
        .list(stateMachineArn)
        .filter(({ run }) => statusFilter === undefined || run.status === statusFilter);
      const { items, ...next } = paginate(listed, page);
      return { executions: items.map(summary), ...next };
    },
    StopExecution({ executionArn, error, cause }) {
      const stopped = execution(executionArn);
      stopped.stop({ ...(error === undefined ? {} : { error }), ...(cause === undefined ? {} : { cause }) });
      return { stopDate: toSeconds(stopped.run.stoppedMs!) };
    },
    GetExecutionHistory({ executionArn, reverseOrder, ...page }) {
      const { events } = execution(executionArn).run.history;
      const { items, ...next } = paginate(reverseOrder ? events.toReversed() : events, page);
      return { events: items.map(toWire), ...next };
    },
    SendTaskSuccess({ taskToken, output }) {
      const [waiting, op] = callbackOf(executions, taskToken);
      return answered(waiting.answer(op, { payload: parseOutput(output) }));
    },
    SendTaskFailure({ taskToken, error, cause }) {
      const [waiting, op] = callbackOf(executions, taskToken);
      const failure = { ...(error === undefined ? {} : { error }), ...(cause === undefined ? {} : { cause }) };
      return answered(waiting.answer(op, { failure }));
    },
    SendTaskHeartbeat({ taskToken }) {
      const [waiting, op] = callbackOf(executions, taskToken);
      return answered(waiting.beat(op));
    },
    DescribeStateMachine({ stateMachineArn }) {
      const { arn, name, definition } = machine(stateMachineArn);
      return {
        stateMachineArn: arn,
        name,
        status: 'ACTIVE',
        type: 'STANDARD',
        definition: JSON.stringify(definition),
        creationDate: toSeconds(createdMs),
      };
    },
  };
}

/** @throws ServiceError InvalidToken for what no one gave out, TaskDoesNotExist for an execution that is forgotten */
function callbackOf(executions: Executions, token: string): [Execution, Op] {
  const claim = readToken(token);
  if (claim === undefined) throw new ServiceError('InvalidToken', "Invalid Token: 'Invalid token'");
  const execution = executions.get(claim.executionArn);
  if (execution === undefined) throw new ServiceError('TaskDoesNotExist', "Task Does Not Exist: 'unknown execution'");
  if (execution.run.token(claim.op) !== token) throw new ServiceError('InvalidToken', "Invalid Token: 'Invalid token'");
  return [execution, claim.op];
}

function answered(waited: boolean): object {
  if (waited) return {};
  throw new ServiceError('TaskTimedOut', "Task Timed Out: 'Provided task does not exist anymore'");
}

function parseOutput(output: string): Json {
  if (Buffer.byteLength(output) > limits.payload_bytes_max) {
    throw new ServiceError('InvalidOutput', `The output is larger than ${limits.payload_bytes_max} bytes.`);
  }
  try {
    return JSON.parse(output) as Json;
  } catch (error) {
    throw new ServiceError('InvalidOutput', `Invalid Output: '${(error as Error).message}'`);
  }
}

function summary({ run }: Execution): Record<string, unknown> {
  return {
    executionArn: run.arn,
    stateMachineArn: run.started.machineArn,
    name: run.started.name,
    status: run.status,
    startDate: toSeconds(run.started.timeMs),
    ...(run.stoppedMs === undefined ? {} : { stopDate: toSeconds(run.stoppedMs) }),
  };
}

function describe(execution: Execution): Record<string, unknown> {
  const { run } = execution;
  return {
    ...summary(execution),
    input: run.started.input,
    inputDetails: { included: true },
    ...(run.output === undefined ? {} : { output: JSON.stringify(run.output), outputDetails: { included: true } }),
    ...(run.error === undefined ? {} : { error: run.error }),
    ...(run.cause ? { cause: run.cause } : {}),
  };
}

/** AWS JSON counts dates in seconds. */
function toSeconds(timeMs: number): number {
  return timeMs / 1_000;
}
