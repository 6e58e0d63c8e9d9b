// The Node side of a function: loads the handler that _HANDLER names, says so, then answers one event after the other.
// argv[2] is a socket to the executor, with a JSON message a line:
//   in   {id, arn, event, deadlineMs}, `event` as JSON text
//   out  {} when the handler is loaded; {result}, as JSON text, or {error: {errorType, errorMessage, trace}}
import { existsSync } from 'node:fs';
import { Socket } from 'node:net';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { inspect } from 'node:util';

const { env } = process;
const socket = new Socket({ fd: Number(process.argv[2]), readable: true, writable: true });
// Whoever asked is gone: there is nobody to work for.
socket.on('close', () => process.exit());
socket.on('error', () => process.exit());
const say = (message) => new Promise((said) => socket.write(`${JSON.stringify(message)}\n`, said));

const log = (error) => process.stderr.write(`${inspect(error)}\n`);

/** An error in the words of Lambda's runtime. */
function errorOf(error, errorType = error?.name ?? typeof error) {
  return { errorType, errorMessage: String(error?.message ?? error), trace: String(error?.stack ?? '').split('\n') };
}

async function loadHandler() {
  const [file, name] = env._HANDLER.split('.');
  const module = ['mjs', 'js', 'cjs']
    .map((ending) => path.join(env.LAMBDA_TASK_ROOT, `${file}.${ending}`))
    .find(existsSync);
  if (module === undefined)
    throw Object.assign(new Error(`Cannot find module '${file}'`), { name: 'Runtime.ImportModuleError' });
  const handler = (await import(pathToFileURL(module).href))[name];
  if (typeof handler === 'function') return handler;
  throw Object.assign(new Error(`${env._HANDLER} is not a function`), { name: 'Runtime.HandlerNotFound' });
}

function contextOf({ id, arn, deadlineMs }) {
  return {
    awsRequestId: id,
    invokedFunctionArn: arn,
    functionName: env.AWS_LAMBDA_FUNCTION_NAME,
    functionVersion: env.AWS_LAMBDA_FUNCTION_VERSION,
    memoryLimitInMB: env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: env.AWS_LAMBDA_LOG_STREAM_NAME,
    getRemainingTimeInMillis: () => deadlineMs - Date.now(),
  };
}

/** Asynchronous handlers only: Node 24's runtime on Lambda takes no others. */
async function answer(handler, call) {
  try {
    return { result: JSON.stringify((await handler(JSON.parse(call.event), contextOf(call))) ?? null) };
  } catch (error) {
    log(error);
    return { error: errorOf(error) };
  }
}

/** What nobody caught ends the process, as on Lambda; the next event finds a new one. */
function dieOf(errorType) {
  return async (error) => {
    log(error);
    await say({ error: errorOf(error, errorType) });
    process.exit(1);
  };
}
process.on('uncaughtException', dieOf());
process.on('unhandledRejection', dieOf('Runtime.UnhandledPromiseRejection'));

const handler = await loadHandler();
await say({});
for await (const line of createInterface({ input: socket })) await say(await answer(handler, JSON.parse(line)));
