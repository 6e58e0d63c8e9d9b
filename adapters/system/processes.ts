import { spawn } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import { LayerMoverError } from '../../core/errors.ts';
import { isRefusedWith } from '../../core/files.ts';
import type { Processes, ProgramToStart, StartedProgram } from '../../core/processes.ts';

const MARK = 'LAYERMOVER_LAUNCH';
const PASSED_ON = ['PATH', 'LANG', 'LC_ALL', 'TZ'];
const KILL_MS = 10_000;
const LOOK_MS = 5;

/**
 * Programs of this machine. A process carries its mark in its environment, which it can't lose and no later process of
 * the same number has: unlike a number and a start time it is there from the first moment, whenever the agent dies.
 */
export const systemProcesses: Processes = {
  start,
  isRunning: async (mark) => (await marked(mark)).length > 0,
  /** What is killed may have started another one just before; and it has its files open until the kernel has ended it. */
  async kill(mark) {
    for (let ms = 0; ms < KILL_MS; ms += LOOK_MS) {
      const found = await marked(mark);
      if (found.length === 0) return;
      for (const pid of found) killNow(pid);
      await setTimeout(LOOK_MS);
    }
    throw new LayerMoverError('PROGRAM_NOT_ENDED', 'a process that was killed does not end', {
      hint: 'it hangs in the kernel: look into the kernel log for this host’s disks',
      data: { mark, pids: await marked(mark) },
    });
  },
};

async function start({ argv: [program, ...args], mark, log }: ProgramToStart): Promise<StartedProgram> {
  const output = await fs.open(log, 'a', 0o600);
  try {
    const passed = PASSED_ON.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]]));
    const env = { ...Object.fromEntries(passed), [MARK]: mark };
    const child = spawn(program!, args, { detached: true, stdio: ['ignore', output.fd, output.fd], env, cwd: '/' });
    const ended = once(child, 'exit').then(() => undefined);
    ended.catch(() => undefined);
    await once(child, 'spawn');
    child.unref();
    return { ended };
  } catch (cause) {
    throw new LayerMoverError('PROGRAM_NOT_STARTED', `${program} can't be started`, {
      hint: 'check that it is installed, and that the agent’s user may run it',
      data: { program },
      cause,
    });
  } finally {
    await output.close();
  }
}

/** Process ids. Other users' processes show no environment, and those that have ended have none: they are none of ours. */
async function marked(mark: string): Promise<number[]> {
  const pids = (await fs.readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const found = await Promise.all(
    pids.map(async (pid) => ((await environment(pid)).includes(`${MARK}=${mark}`) ? pid : 0)),
  );
  return found.filter((pid) => pid > 0);
}

async function environment(pid: number): Promise<string[]> {
  try {
    return (await fs.readFile(`/proc/${pid}/environ`, 'latin1')).split('\0');
  } catch (error) {
    if (isRefusedWith(error, 'ENOENT', 'ESRCH', 'EACCES', 'EPERM')) return [];
    throw error;
  }
}

function killNow(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (!isRefusedWith(error, 'ESRCH')) throw error;
  }
}
