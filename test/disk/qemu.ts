import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { promisify } from 'node:util';
import { describe } from 'vitest';

const run = promisify(execFile);

function installed(program: string): boolean {
  try {
    execFileSync(program, ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

const present = ['qemu-img', 'qemu-io', 'qemu-nbd'].every(installed);

/** Tests that QEMU's own tools judge; left out, and said so, where they are missing, but never in CI. */
export function describeWithQemu(name: string, body: () => void): void {
  const skip = !present && process.env.CI === undefined;
  if (skip) process.stderr.write(`skipped, qemu-img, qemu-io and qemu-nbd are not all installed: ${name}\n`);
  describe.skipIf(skip)(name, body);
}

export async function qemuImg(...args: string[]): Promise<string> {
  return (await run('qemu-img', args)).stdout;
}

/** Runs commands of qemu-io on an image; fails if one of them does. */
export async function qemuIo(image: string, ...commands: string[]): Promise<void> {
  const { stdout } = await run('qemu-io', [...commands.flatMap((command) => ['-c', command]), image]);
  if (/failed|error/i.test(stdout)) throw new Error(stdout);
}

/** Runs a program, waits until it has printed `ready` (if it prints anything), and ends it by its id afterwards. */
export async function whileRunning<T>(
  program: string,
  args: string[],
  ready: RegExp | undefined,
  use: () => Promise<T>,
): Promise<T> {
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  try {
    if (ready !== undefined) {
      await new Promise<void>((resolve, reject) => {
        let said = '';
        child.stdout.on('data', (chunk: Buffer) => {
          said += chunk;
          if (ready.test(said)) resolve();
        });
        child.once('exit', () => reject(new Error(`${program} ended: ${said}`)));
      });
    }
    return await use();
  } finally {
    child.kill('SIGKILL');
    await ended;
  }
}
