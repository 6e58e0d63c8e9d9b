import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { type Service, startService } from '../../bin/demo/process.ts';

const run = promisify(execFile);
const COMMAND = path.resolve(import.meta.dirname, '../../bin/layermover.js');
const CALL_MS = 120_000;

export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** The JSON lines of stdout. */
  readonly lines: readonly Record<string, unknown>[];
}

/** Runs a verb to its end, whatever its exit code. */
export async function layermover(
  words: readonly string[],
  options: { cwd?: string; node?: string; callMs?: number } = {},
): Promise<Outcome> {
  const settings = {
    maxBuffer: 64 * 1024 * 1024,
    timeout: options.callMs ?? CALL_MS,
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  };
  try {
    return outcome(0, await run(options.node ?? process.execPath, [COMMAND, ...words], settings));
  } catch (error) {
    const failed = error as { code?: unknown; stdout?: string; stderr?: string };
    if (typeof failed.code !== 'number') throw error;
    return outcome(failed.code, { stdout: failed.stdout ?? '', stderr: failed.stderr ?? '' });
  }
}

function outcome(code: number, said: { stdout: string; stderr: string }): Outcome {
  const lines = said.stdout.split('\n').filter((line) => line.startsWith('{'));
  return { code, ...said, lines: lines.map((line) => JSON.parse(line) as Record<string, unknown>) };
}

export async function qemuImg(...words: string[]): Promise<string> {
  return (await run('qemu-img', words, { maxBuffer: 16 * 1024 * 1024 })).stdout;
}

export async function qemuIo(image: string, ...commands: string[]): Promise<void> {
  await run('qemu-io', [...commands.flatMap((command) => ['-c', command]), image]);
}

/** A cloud and agents as processes, in a folder of their own. */
export class Stage {
  readonly folder: string;
  readonly #services: Service[] = [];

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async open(): Promise<Stage> {
    return new Stage(await mkdtemp(path.join(os.tmpdir(), 'layermover-test-')));
  }

  async cloud(): Promise<string> {
    const service = await startService(
      ['cloud', 'start', '--data', path.join(this.folder, 'cloud')],
      path.join(this.folder, 'cloud.log'),
    );
    this.#services.unshift(service);
    return String(service.ready.cloud_file);
  }

  /** Starts an agent whose image folder is `<folder>/<site>-<host>`; answers that folder. */
  async agent(site: string, host: string, cloudFile: string): Promise<string> {
    const images = path.join(this.folder, `${site}-${host}`);
    await mkdir(images, { recursive: true });
    const words = ['agent', '--site', site, '--host', host, '--images', images, '--cloud', cloudFile];
    this.#services.unshift(await startService(words, path.join(this.folder, `agent-${site}-${host}.log`)));
    return images;
  }

  async close(): Promise<void> {
    for (const service of this.#services) await service.stop();
    await rm(this.folder, { recursive: true, force: true });
  }
}
