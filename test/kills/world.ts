import { execFile } from 'node:child_process';
import { appendFileSync, mkdirSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { clientOf, cloudFile } from '../../bin/connection.ts';
import { Front } from './front.ts';
import { Service, type ServiceOptions } from './service.ts';
import { onSmallDisk, seenBy } from './small-disk.ts';

const COMMAND = path.resolve(import.meta.dirname, '../../bin/layermover.js');

/** How a call of the command ended: by itself with a code, or by a signal. */
export interface Ended {
  readonly code: number | string;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Call {
  readonly ended: Promise<Ended>;
  kill(signal: 'SIGKILL' | 'SIGINT' | 'SIGTERM'): void;
}

type Site = 'a' | 'b' | 'c' | 'd';

/** A cloud, agents and commands as processes; agents and commands reach the cloud through `front`. */
export class World {
  readonly folder: string;
  readonly cloud: Service;
  readonly agents = new Map<string, Service>();
  front!: Front;
  #operator!: ReturnType<typeof cloudFile.parse>;

  private constructor(folder: string) {
    this.folder = folder;
    const words = ['cloud', 'start', '--data', this.data];
    this.cloud = new Service('cloud', words, path.join(folder, 'cloud.log'));
  }

  /** With `dataMib`, the cloud's data lie on a file system of that size. */
  static async open({ dataMib, ...options }: ServiceOptions & { dataMib?: number } = {}): Promise<World> {
    const world = new World(await mkdtemp(path.join(os.tmpdir(), 'layermover-kills-')));
    await world.cloud.start(dataMib === undefined ? options : { ...options, ...onSmallDisk(world.data, dataMib) });
    world.#operator = cloudFile.parse(JSON.parse(await readFile(world.dataFile('cloud.json'), 'utf8')));
    world.front = await Front.open(Number(new URL(world.#operator.api_url).port));
    await writeFile(world.cloudFile, JSON.stringify({ ...world.#operator, api_url: world.#fronted() }), {
      mode: 0o600,
    });
    return world;
  }

  /** A file of the cloud's data, wherever they are mounted. */
  dataFile(...names: readonly string[]): string {
    return path.join(seenBy(this.cloud, this.data), ...names);
  }

  get data(): string {
    return path.join(this.folder, 'cloud');
  }

  /** Leads through the front. */
  get cloudFile(): string {
    return path.join(this.folder, 'front.json');
  }

  /** The operator's own way to the cloud, past the front. */
  get operator() {
    return this.#operator;
  }

  imagesOf(site: string): string {
    return path.join(this.folder, site);
  }

  /** An agent, not yet started: `a` is a/h1, the others are h2 of their sites. */
  agent(site: Site, options: ServiceOptions & { images?: string; words?: readonly string[] } = {}): Service {
    const { images = this.imagesOf(site), words: more = [] } = options;
    mkdirSync(images, { recursive: true });
    const host = site === 'a' ? 'h1' : 'h2';
    const words = ['agent', '--site', site, '--host', host, '--images', images, '--cloud', this.cloudFile, ...more];
    const service = new Service(site, words, path.join(this.folder, `agent-${site}.log`), options);
    this.agents.set(site, service);
    return service;
  }

  /** Resolves once the cloud knows the agents: those that could not reach it at once go on trying. */
  async enrolled(): Promise<void> {
    const client = clientOf(this.#operator);
    const wanted = this.agents.size;
    while ((await client.call('listHosts')).hosts.length < wanted) await new Promise((next) => setTimeout(next, 50));
  }

  /** Calls the command, through the front. */
  call(...words: readonly string[]): Call {
    const args = [COMMAND, ...words, '--cloud', this.cloudFile, '--json'];
    const { promise, resolve } = Promise.withResolvers<Ended>();
    const child = execFile(process.execPath, args, { maxBuffer: 2 ** 26 }, (_, stdout, stderr) =>
      resolve({ code: child.exitCode ?? child.signalCode ?? 'unknown', stdout, stderr }),
    );
    return { ended: promise, kill: (signal) => void child.kill(signal) };
  }

  /** A line of the run's story, with the time. */
  note(line: string): void {
    appendFileSync(path.join(this.folder, 'story.log'), `${new Date().toISOString()} ${line}\n`);
  }

  async close(keep = false): Promise<void> {
    await Promise.all([...this.agents.values()].map((agent) => agent.stop()));
    await this.cloud.stop();
    await this.front.close();
    if (!keep) await rm(this.folder, { recursive: true, force: true });
  }

  #fronted(): string {
    const url = new URL(this.#operator.api_url);
    url.port = String(this.front.port);
    return url.href;
  }
}
