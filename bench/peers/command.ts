import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const QUOTED_CHARACTERS = 2000;

export interface CommandOptions {
  /** Ends the command, and all that it started, when it aborts. */
  readonly signal: AbortSignal;
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly cwd?: string | undefined;
}

/** What a command and its children took. */
export interface Cost {
  readonly seconds: number;
  readonly cpuSeconds: number;
  /** The most that one of its processes had resident. */
  readonly rssBytes: number;
}

/** Runs a command to its end; gives what it wrote to stdout. Throws if it fails, with the end of what it said. */
export async function run(words: readonly string[], { signal, env, cwd }: CommandOptions): Promise<string> {
  signal.throwIfAborted();
  const [program, ...args] = words;
  // A group of its own: nothing that it started outlives it.
  const child = spawn(program!, args, {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
    ...(cwd === undefined ? {} : { cwd }),
  });
  const kill = () => child.pid !== undefined && process.kill(-child.pid, 'SIGKILL');
  signal.addEventListener('abort', kill, { once: true });
  let [out, said] = ['', ''];
  child.stdout.on('data', (bytes: Buffer) => {
    out += bytes;
  });
  child.stderr.on('data', (bytes: Buffer) => {
    said = (said + bytes).slice(-QUOTED_CHARACTERS);
  });
  try {
    const status = await new Promise<number | string>((resolve, reject) => {
      child.on('error', reject).on('close', (code, killedBy) => resolve(code ?? killedBy ?? 'gone'));
    });
    signal.throwIfAborted();
    if (status !== 0)
      throw new Error(`${words.join(' ')}: ended with ${status}\n${out.slice(-QUOTED_CHARACTERS)}${said}`);
    return out;
  } finally {
    signal.removeEventListener('abort', kill);
  }
}

/** The same, and what it cost, by GNU time. */
export async function measured(
  words: readonly string[],
  options: CommandOptions,
): Promise<{ readonly cost: Cost; readonly out: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'layermover-time-'));
  const file = join(folder, 'cost');
  try {
    const out = await run(['time', '--quiet', '-o', file, '-f', '%e %U %S %M', ...words], options);
    const [seconds, user, system, kib] = readFileSync(file, 'utf8').trim().split(' ').map(Number);
    return { cost: { seconds: seconds!, cpuSeconds: user! + system!, rssBytes: kib! * 1024 }, out };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export function sumOf(costs: readonly Cost[]): Cost {
  return {
    seconds: costs.reduce((sum, each) => sum + each.seconds, 0),
    cpuSeconds: costs.reduce((sum, each) => sum + each.cpuSeconds, 0),
    rssBytes: Math.max(...costs.map((each) => each.rssBytes)),
  };
}
