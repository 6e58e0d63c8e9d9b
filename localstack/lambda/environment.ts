import path from 'node:path';
import { Worker } from 'node:worker_threads';
import type { FunctionModel } from '../assembly/model.ts';
import type { Clock } from '../clock.ts';
import { limits } from '../limits.ts';
import type { FunctionLog } from './log.ts';
import type { FunctionError, RuntimeMessage, RuntimeSetup } from './protocol.ts';

/** How an invocation ended: with the handler's JSON, or with the error that Lambda's caller sees. */
export type Outcome = { readonly payload: string } | { readonly error: FunctionError };

/** A thread that holds one function's code and runs one invocation at a time. */
export interface ExecutionEnvironment {
  /** Settles when the code is loaded; the error tells why it could not be. */
  readonly ready: Promise<FunctionError | undefined>;
  readonly alive: boolean;
  invoke(requestId: string, payload: string): Promise<Outcome>;
  end(): Promise<void>;
}

export interface EnvironmentDeps {
  readonly clock: Clock;
  readonly log: FunctionLog;
  readonly variables: Readonly<Record<string, string>>;
}

/** The heap that a handler may fill is its memory size; what Node itself takes comes on top. */
const YOUNG_GENERATION_MIB = 16;

/** Beside this file, and built as it is: the package has JavaScript. */
const RUNTIME = new URL(`./runtime${path.extname(import.meta.filename)}`, import.meta.url);

export function startEnvironment(fn: FunctionModel, { clock, log, variables }: EnvironmentDeps): ExecutionEnvironment {
  const timeoutMs = fn.timeoutSeconds * 1000;
  const setup: RuntimeSetup = {
    codeDir: fn.codeDir,
    handler: fn.handler,
    functionName: fn.name,
    functionArn: fn.arn,
    memoryMib: fn.memoryMib,
    timeoutMs,
  };
  const worker = new Worker(RUNTIME, {
    workerData: setup,
    env: { ...variables },
    execArgv: [],
    stdout: true,
    stderr: true,
    resourceLimits: { maxOldGenerationSizeMb: fn.memoryMib, maxYoungGenerationSizeMb: YOUNG_GENERATION_MIB },
  });
  worker.stdout.on('data', (chunk: Buffer) => log.write(chunk));
  worker.stderr.on('data', (chunk: Buffer) => log.write(chunk));

  const ready = Promise.withResolvers<FunctionError | undefined>();
  const gone = Promise.withResolvers<FunctionError>();
  let alive = true;
  let answer: (outcome: Outcome) => void = () => {};
  let fault: FunctionError | undefined;

  worker.on('message', (message: RuntimeMessage) => {
    if (message.kind === 'ready') ready.resolve(undefined);
    else if (message.kind === 'unloadable') kill(message.error);
    else if (message.kind === 'reply') answer({ payload: message.payload });
    else answer({ error: message.error });
  });
  worker.on('error', (error: Error & { code?: string }) => {
    fault ??= faultOf(error);
  });
  worker.on('exit', (code) => {
    alive = false;
    gone.resolve(fault ?? exitError(`exit status ${code}`));
  });
  gone.promise.then((error) => {
    ready.resolve(error);
    answer({ error });
  });
  const cancelInit = clock.schedule(limits.lambda_init_ms, () => {
    kill({
      errorType: 'Sandbox.Timedout',
      errorMessage: `Init timed out after ${limits.lambda_init_ms / 1000} seconds`,
    });
  });
  ready.promise.then(cancelInit);

  function kill(error: FunctionError): void {
    fault ??= error;
    alive = false;
    void worker.terminate();
  }

  return {
    ready: ready.promise,
    get alive() {
      return alive;
    },
    async invoke(requestId, payload) {
      const { promise, resolve } = Promise.withResolvers<Outcome>();
      answer = resolve;
      const cancel = clock.schedule(timeoutMs, () => {
        const errorMessage = `Task timed out after ${fn.timeoutSeconds.toFixed(2)} seconds`;
        kill({ errorType: 'Sandbox.Timedout', errorMessage });
      });
      if (alive) worker.postMessage({ requestId, payload });
      else answer({ error: fault ?? exitError('exit status 0') });
      const outcome = named(await promise, requestId);
      cancel();
      return outcome;
    },
    async end() {
      alive = false;
      await worker.terminate();
    },
  };
}

/** Errors that are not the handler's own begin with the request's id, as Lambda writes them. */
function named(outcome: Outcome, requestId: string): Outcome {
  if (!('error' in outcome) || !/^(Runtime\.ExitError|Sandbox\.)/.test(outcome.error.errorType)) return outcome;
  return { error: { ...outcome.error, errorMessage: `RequestId: ${requestId} Error: ${outcome.error.errorMessage}` } };
}

function faultOf(error: Error & { code?: string }): FunctionError {
  if (error.code === 'ERR_WORKER_OUT_OF_MEMORY') return exitError('signal: killed');
  return { errorType: error.name, errorMessage: error.message, trace: (error.stack ?? '').split('\n') };
}

const exitError = (how: string): FunctionError => ({
  errorType: 'Runtime.ExitError',
  errorMessage: `Runtime exited with error: ${how}`,
});
