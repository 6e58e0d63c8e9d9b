import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CloudFile } from '../bin/connection.ts';
import { type Link, openLink } from '../test/live/sites/link.ts';

/** A link between a host and the cloud. */
export interface Way {
  readonly roundTripMs: number;
  readonly bytesPerSecond: number;
}

/** An agent that reaches the cloud, and the object store, through a link alone. */
export class LinkedAgent {
  readonly link: Link;
  readonly #agent: ChildProcess;

  private constructor(link: Link, agent: ChildProcess) {
    this.link = link;
    this.#agent = agent;
  }

  /** Starts the agent of a site whose images lie in `<folder>/<site>`; it is enrolled when this resolves. */
  static async start(folder: string, site: string, to: { cloudFile: string; way: Way; launcherFile?: string }) {
    const at = (name: string) => join(folder, `${site}${name}`);
    const cloud = JSON.parse(readFileSync(to.cloudFile, 'utf8')) as CloudFile;
    const url = new URL(cloud.api_url);
    const link = await openLink({ ...to.way, to: { port: Number(url.port) } });
    url.port = String(link.port);
    writeFileSync(at('.cloud.json'), JSON.stringify({ ...cloud, api_url: url.href }));
    const words = [
      site,
      at(''),
      at('.state'),
      at('.cloud.json'),
      ...(to.launcherFile === undefined ? [] : [to.launcherFile]),
    ];
    const agent = fork(join(import.meta.dirname, 'linked-agent-process.ts'), words, { silent: true });
    agent.stderr!.pipe(createWriteStream(at('.log')));
    const [said] = await Promise.race([once(agent, 'message'), once(agent, 'exit')]);
    if (said !== 'ready') throw new Error(`the agent of ${site} did not start: ${readFileSync(at('.log'))}`);
    return new LinkedAgent(link, agent);
  }

  async stop(): Promise<void> {
    if (this.#agent.exitCode === null) {
      const ended = once(this.#agent, 'exit');
      this.#agent.kill('SIGTERM');
      await ended;
    }
    await this.link.close();
  }
}
