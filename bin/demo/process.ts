import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { LayerMoverError } from '../../core/errors.ts';

const COMMAND = path.resolve(import.meta.dirname, '../layermover.js');
const READY_MS = 60_000;
const STOP_MS = 10_000;
const LOG_TAIL_CHARACTERS = 2_000;

/** A verb of this command that runs as a process of its own. */
export interface Service {
  /** What it said when it was ready. */
  readonly ready: Readonly<Record<string, unknown>>;
  readonly pid: number;
  stop(): Promise<void>;
}

/** Starts a verb and waits until it says that it is ready. Its log goes to `logFile`. */
export async function startService(words: readonly string[], logFile: string): Promise<Service> {
  const child = spawn(process.execPath, [COMMAND, ...words, '--json'], {
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  child.stderr.pipe(createWriteStream(logFile, { flags: 'a' }));
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  try {
    const ready = await Promise.race([firstReady(child), ended.then(() => undefined), after(READY_MS)]);
    if (ready) return { ready, pid: child.pid!, stop: () => stop(child, ended) };
  } catch {
    // told below, with the log
  }
  await stop(child, ended);
  const log = (await readFile(logFile, 'utf8').catch(() => '')).slice(-LOG_TAIL_CHARACTERS);
  throw new LayerMoverError(
    'SERVICE_NOT_STARTED',
    `\`layermover ${words.slice(0, 2).join(' ')}\` did not start:\n${log}`,
  );
}

/** Runs a verb to its end. Errors: COMMAND_FAILED, with what it said. */
export async function runCommand(words: readonly string[]): Promise<void> {
  try {
    await promisify(execFile)(process.execPath, [COMMAND, ...words]);
  } catch (cause) {
    const said = String((cause as { stderr?: unknown }).stderr ?? '').trim();
    throw new LayerMoverError('COMMAND_FAILED', `\`layermover ${words.slice(0, 2).join(' ')}\` failed:\n${said}`, {
      cause,
    });
  }
}

async function firstReady(child: ChildProcess): Promise<Record<string, unknown> | undefined> {
  for await (const line of createInterface({ input: child.stdout! })) {
    const said: unknown = JSON.parse(line);
    if (typeof said === 'object' && said !== null && 'message_type' in said && said.message_type === 'ready') {
      child.stdout!.resume();
      return { ...said };
    }
  }
  return undefined;
}

function after(ms: number): Promise<undefined> {
  return new Promise((resolve) => setTimeout(() => resolve(undefined), ms).unref());
}

async function stop(child: ChildProcess, ended: Promise<void>): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  await Promise.race([ended, after(STOP_MS)]);
  if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
  await ended;
}
