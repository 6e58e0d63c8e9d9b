import { existsSync, readFileSync } from 'node:fs';
import { Module } from 'node:module';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { pathToFileURL } from 'node:url';
import { parentPort, workerData } from 'node:worker_threads';
import type { FunctionError, InvokeMessage, RuntimeMessage, RuntimeSetup } from './protocol.ts';

// The main module of an execution environment's thread: loads the function's bundle and runs its handler, one
// invocation at a time, the way Lambda's Node runtime does.

type Handler = (event: unknown, context: unknown) => unknown;

const setup = workerData as RuntimeSetup;
const say = (message: RuntimeMessage) => parentPort?.postMessage(message);

const handler = await load();
if (handler !== undefined) {
  parentPort?.on('message', (message: InvokeMessage) => void run(handler, message));
  say({ kind: 'ready' });
}

async function load(): Promise<Handler | undefined> {
  const dot = setup.handler.lastIndexOf('.');
  const [file, name] = [setup.handler.slice(0, dot), setup.handler.slice(dot + 1)];
  try {
    const module = await importBundle(file);
    const exported = module[name] ?? (module.default as Record<string, unknown> | undefined)?.[name];
    if (typeof exported === 'function') return exported as Handler;
    unloadable('Runtime.HandlerNotFound', `${setup.handler} is undefined or not exported`);
  } catch (error) {
    unloadable('Runtime.ImportModuleError', String(error), traceOf(error));
  }
  return undefined;
}

function unloadable(errorType: string, errorMessage: string, trace: string[] = []): void {
  say({ kind: 'unloadable', error: { errorType, errorMessage, trace } });
}

async function importBundle(file: string): Promise<Record<string, unknown>> {
  const paths = ['.mjs', '.cjs', '.js'].map((extension) => join(setup.codeDir, file + extension));
  const path = paths.find(existsSync) ?? '';
  const alone = path.endsWith('.js') && !existsSync(join(setup.codeDir, 'package.json'));
  return alone ? requireAlone(path) : await import(pathToFileURL(path).href);
}

/** On Lambda no package.json lies above a bundle; here one may, and it must not turn a CommonJS bundle into a module. */
function requireAlone(path: string): Record<string, unknown> {
  const module = new Module(path) as Module & { _compile(source: string, path: string): void };
  module.filename = path;
  module._compile(readFileSync(path, 'utf8'), path);
  return module.exports;
}

async function run(handle: Handler, { requestId, payload }: InvokeMessage): Promise<void> {
  try {
    const result = await handle(JSON.parse(payload), contextOf(requestId));
    say({ kind: 'reply', payload: JSON.stringify(result ?? null) });
  } catch (error) {
    say({ kind: 'failed', error: describe(error) });
  }
}

function contextOf(requestId: string) {
  const startMs = performance.now();
  return {
    awsRequestId: requestId,
    functionName: setup.functionName,
    functionVersion: '$LATEST',
    invokedFunctionArn: setup.functionArn,
    memoryLimitInMB: String(setup.memoryMib),
    logGroupName: process.env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: process.env.AWS_LAMBDA_LOG_STREAM_NAME,
    callbackWaitsForEmptyEventLoop: true,
    getRemainingTimeInMillis: () => Math.max(0, Math.floor(setup.timeoutMs - (performance.now() - startMs))),
  };
}

function describe(error: unknown): FunctionError {
  if (!(error instanceof Error)) return { errorType: typeof error, errorMessage: String(error), trace: [] };
  return { errorType: error.name, errorMessage: error.message, trace: traceOf(error) };
}

function traceOf(error: unknown): string[] {
  return error instanceof Error ? (error.stack ?? '').split('\n') : [];
}
