import path from 'node:path';
import { type Service, startService } from './service.ts';

export interface AgentPlace {
  readonly site: string;
  readonly host: string;
  readonly images: string;
  readonly cloudFile: string;
}

/** The agent of one host, which can be killed and started again over the same folder. */
export class AgentProcess implements Service {
  readonly ready = {};
  readonly ref: string;
  readonly images: string;
  readonly #words: readonly string[];
  #running: Service | undefined;

  constructor({ site, host, images, cloudFile }: AgentPlace) {
    this.ref = `${site}/${host}`;
    this.images = images;
    this.#words = ['agent', '--site', site, '--host', host, '--images', images, '--cloud', cloudFile];
  }

  async start(): Promise<void> {
    this.#running = await startService(this.#words, path.dirname(this.images));
  }

  async kill(): Promise<void> {
    await this.#running?.kill();
  }

  async stop(): Promise<void> {
    await this.#running?.stop();
  }
}
