import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, closeSync, openSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';

const COMMAND = path.resolve(import.meta.dirname, '../../bin/layermover.js');
const READY_MS = 120_000;

/** Whatever ends the test, no process of it outlives it. */
const alive = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of alive) child.kill('SIGKILL');
});

export interface ServiceOptions {
  /** Wraps the command: a file size limit, another clock, another mount namespace. */
  readonly wrap?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** A verb that runs until it is stopped, as a process of its own that can be killed and started again. */
export class Service {
  readonly name: string;
  readonly logFile: string;
  readonly #words: readonly string[];
  #options: ServiceOptions;
  #child: ChildProcess | undefined;

  constructor(name: string, words: readonly string[], logFile: string, options: ServiceOptions = {}) {
    this.name = name;
    this.logFile = logFile;
    this.#words = words;
    this.#options = options;
  }

  get running(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  get pid(): number {
    return this.#child!.pid!;
  }

  /** Starts it and gives what it says when it is ready; undefined if it is killed before. */
  async start(options: ServiceOptions = this.#options): Promise<Record<string, unknown> | undefined> {
    this.#options = options;
    const [program, ...words] = [...(options.wrap ?? []), process.execPath, COMMAND, ...this.#words, '--json'];
    const log = openSync(this.logFile, 'a');
    const child = spawn(program!, words, { stdio: ['ignore', 'pipe', log], env: { ...process.env, ...options.env } });
    closeSync(log);
    this.#child = child;
    alive.add(child);
    child.on('exit', () => alive.delete(child));
    const late = setTimeout(() => child.kill('SIGABRT'), READY_MS);
    try {
      for await (const line of createInterface({ input: child.stdout! })) {
        const said = JSON.parse(line) as Record<string, unknown>;
        if (said.message_type !== 'ready') continue;
        child.stdout!.resume();
        return said;
      }
    } finally {
      clearTimeout(late);
    }
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    if (child.signalCode === 'SIGKILL') return undefined;
    throw new Error(`${this.name} did not start:\n${this.log().slice(-2000)}`);
  }

  /** Ends it as a power cut would. The process is gone when this resolves; its last system call came before. */
  async kill(): Promise<void> {
    if (!this.running) return;
    appendFileSync(this.logFile, '--- kill -9\n');
    const gone = once(this.#child!, 'exit');
    this.#child!.kill('SIGKILL');
    await gone;
  }

  signal(name: 'SIGINT' | 'SIGTERM' | 'SIGSTOP' | 'SIGCONT'): void {
    this.#child!.kill(name);
  }

  /** Its exit code, or the name of the signal that ended it. */
  async exited(): Promise<number | string> {
    const child = this.#child!;
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    return child.exitCode ?? child.signalCode!;
  }

  /** Asks it to end, twice if it takes its time. */
  async stop(): Promise<void> {
    if (!this.running) return;
    const gone = once(this.#child!, 'exit');
    this.#child!.kill('SIGTERM');
    const late = setTimeout(() => this.#child!.kill('SIGKILL'), READY_MS);
    await gone;
    clearTimeout(late);
  }

  log(): string {
    return readFileSync(this.logFile, 'utf8');
  }
}
