import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { FunctionModel } from '../assembly/model.ts';
import type { Clock } from '../clock.ts';
import { ServiceError } from '../errors.ts';
import { limits } from '../limits.ts';
import { type Outcome, startEnvironment } from './environment.ts';
import { type FunctionLog, openLog } from './log.ts';
import { createPool, type Pool } from './pool.ts';

/** What a synchronous Invoke answers: JSON text, and whether it is the function's result or its error. */
export interface Invocation {
  readonly payload: string;
  readonly functionError?: 'Unhandled';
}

export interface Lambda {
  /**
   * Invokes a function by name or ARN with the JSON text of an event and waits for its answer.
   * @throws ServiceError ResourceNotFoundException, RequestEntityTooLargeException, TooManyRequestsException
   */
  invoke(functionName: string, payload: string): Promise<Invocation>;
  stop(): Promise<void>;
}

export interface LambdaDeps {
  readonly functions: readonly FunctionModel[];
  readonly clock: Clock;
  /** Each function's console output goes to `<name>.log` in here. */
  readonly logDir: string;
  /** What Lambda adds to the environment that the template gives a function. */
  variablesOf(fn: FunctionModel): Readonly<Record<string, string>>;
}

interface Served {
  readonly fn: FunctionModel;
  readonly pool: Pool;
  readonly log: FunctionLog;
}

/** Runs functions in threads of their own, as Lambda runs them in execution environments. */
export function createLambda(deps: LambdaDeps): Lambda {
  const served = new Map(deps.functions.map((fn) => [fn.name, serve(fn, deps)]));
  return {
    async invoke(functionName, payload) {
      const entry = served.get(nameOf(functionName));
      if (entry === undefined) {
        throw new ServiceError('ResourceNotFoundException', `Function not found: ${functionName}`, 404);
      }
      const bytes = Buffer.byteLength(payload);
      if (bytes > limits.lambda_payload_bytes_max) {
        const message = `${bytes} byte payload is too large for the Invoke operation (limit ${limits.lambda_payload_bytes_max} bytes)`;
        throw new ServiceError('RequestEntityTooLargeException', message, 413);
      }
      return invocationOf(await logged(entry, payload, deps.clock));
    },
    async stop() {
      await Promise.all([...served.values()].map(({ pool }) => pool.stop()));
      for (const { log } of served.values()) log.close();
    },
  };
}

function serve(fn: FunctionModel, { clock, logDir, variablesOf }: LambdaDeps): Served {
  const log = openLog(join(logDir, `${fn.name}.log`));
  const variables = { ...fn.environment, ...variablesOf(fn) };
  const bound = Math.min(fn.concurrency ?? limits.environments_max, limits.environments_max);
  return { fn, log, pool: createPool(() => startEnvironment(fn, { clock, log, variables }), bound, clock) };
}

async function logged({ pool, log }: Served, payload: string, clock: Clock): Promise<Outcome> {
  const requestId = randomUUID();
  const startMs = clock.nowMs();
  log.write(`START RequestId: ${requestId}\n`);
  const outcome = await pool.invoke(requestId, payload);
  if ('error' in outcome) log.write(`ERROR RequestId: ${requestId} ${JSON.stringify(outcome.error)}\n`);
  log.write(`END RequestId: ${requestId} Duration: ${clock.nowMs() - startMs} ms\n`);
  return outcome;
}

function invocationOf(outcome: Outcome): Invocation {
  if ('error' in outcome) return { payload: JSON.stringify(outcome.error), functionError: 'Unhandled' };
  if (Buffer.byteLength(outcome.payload) <= limits.lambda_payload_bytes_max) return outcome;
  const errorMessage = `Response payload size exceeded maximum allowed payload size (${limits.lambda_payload_bytes_max} bytes).`;
  const error = { errorType: 'Function.ResponseSizeTooLarge', errorMessage };
  return { payload: JSON.stringify(error), functionError: 'Unhandled' };
}

/** A function's name from `name`, `arn:…:function:name` or either with a qualifier. */
function nameOf(functionName: string): string {
  const tail = functionName.replace(/^arn:.*:function:/, '');
  return tail.split(':')[0] ?? tail;
}
