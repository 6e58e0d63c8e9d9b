import { type ChildProcess, spawn } from 'node:child_process';
import { openSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';

const COMMAND = path.resolve(import.meta.dirname, '../../bin/layermover.js');
/** A cloud synthesizes first, perhaps on a busy machine. */
const READY_MS = 120_000;
const STOP_MS = 20_000;
const LOG_TAIL_CHARACTERS = 2_000;

/** A verb that runs until it is stopped, in the process group of the tests: whatever ends that ends it, too. */
export interface Service {
  /** What it said when it was ready. */
  readonly ready: Readonly<Record<string, unknown>>;
  /** SIGKILL: it can't say goodbye to anybody. */
  kill(): Promise<void>;
  /** Asks it to end, and makes it if it does not. */
  stop(): Promise<void>;
}

/** Starts a verb and waits until it is ready; its log is kept in `folder`. */
export async function startService(words: readonly string[], folder: string): Promise<Service> {
  const logFile = path.join(folder, `${words[0]}.log`);
  // On Node 24, which the tests run on, the command is one process.
  const child = spawn(process.execPath, [COMMAND, ...words, '--json'], {
    stdio: ['ignore', 'pipe', openSync(logFile, 'a')],
  });
  const ended = new Promise<undefined>((resolve) => child.once('exit', () => resolve(undefined)));
  const end = async (signal: 'SIGTERM' | 'SIGKILL') => {
    child.kill(signal);
    const made = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
    await ended;
    clearTimeout(made);
  };
  const late = setTimeout(() => end('SIGKILL'), READY_MS);
  const ready = await Promise.race([firstReady(child), ended]);
  clearTimeout(late);
  if (ready) return { ready, kill: () => end('SIGKILL'), stop: () => end('SIGTERM') };
  throw new Error(`layermover ${words[0]} did not start: ${readFileSync(logFile, 'utf8').slice(-LOG_TAIL_CHARACTERS)}`);
}

async function firstReady(child: ChildProcess): Promise<Record<string, unknown> | undefined> {
  for await (const line of createInterface({ input: child.stdout! })) {
    const said = JSON.parse(line) as Record<string, unknown>;
    if (said.message_type !== 'ready') continue;
    child.stdout!.resume();
    return said;
  }
  return undefined;
}
