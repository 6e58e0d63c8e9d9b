import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { type ApiClient, createApiClient } from '../../adapters/api/client.ts';
import { systemClock } from '../../adapters/system/clock.ts';
import { type CloudFile, clientOf, cloudFile } from '../../bin/connection.ts';
import { AgentProcess } from './agent-process.ts';
import { type Service, startService } from './service.ts';

/** Where what tests leave is found: `run.ts` names what it removes. */
function namespaceOfTests(): string {
  const { LAYERMOVER_E2E_PREFIX: prefix = 'e2e-' } = process.env;
  return `${prefix}${randomBytes(4).toString('hex')}`;
}

/** A namespace of its own on the cloud under test, and hosts that this machine plays, each a process with a folder. */
export class Stage {
  readonly folder: string;
  readonly cloud: CloudFile;
  /** The cloud file, for verbs. */
  readonly file: string;
  readonly api: ApiClient;
  /** Where the cloud's own file lies: an embedded cloud keeps its data there. */
  readonly cloudFolder: string;
  readonly #services: Service[];

  private constructor(folder: string, cloud: CloudFile, cloudFolder: string, services: Service[]) {
    this.folder = folder;
    this.cloud = cloud;
    this.cloudFolder = cloudFolder;
    this.file = path.join(folder, 'cloud.json');
    this.api = clientOf(cloud);
    this.#services = services;
  }

  /** On the cloud that `of` names, or the environment; else on an embedded one of its own. */
  static async open(of: { readonly file?: string; readonly namespace?: string } = {}): Promise<Stage> {
    const folder = await mkdtemp(path.join(os.tmpdir(), 'layermover-e2e-'));
    const services: Service[] = [];
    let file = of.file ?? process.env.LAYERMOVER_CLOUD;
    if (!file) {
      const embedded = await startService(['cloud', 'start', '--data', path.join(folder, 'cloud')], folder);
      services.push(embedded);
      file = String(embedded.ready.cloud_file);
    }
    const told = cloudFile.parse(JSON.parse(await readFile(file, 'utf8')));
    const cloud = { ...told, namespace: of.namespace ?? namespaceOfTests() };
    const stage = new Stage(folder, cloud, path.dirname(path.resolve(file)), services);
    await writeFile(stage.file, JSON.stringify(stage.cloud), { mode: 0o600 });
    return stage;
  }

  /** A host whose image folder is `<folder>/<site>-<host>`; its agent is not started yet. */
  async host(site: string, host: string): Promise<AgentProcess> {
    const images = path.join(this.folder, `${site}-${host}`);
    await mkdir(images);
    const agent = new AgentProcess({ site, host, images, cloudFile: this.file });
    this.#services.unshift(agent);
    return agent;
  }

  /** A client that signs with other credentials than the stage's own. */
  clientWith(credentials: { accessKeyId: string; secretAccessKey: string }): ApiClient {
    const { api_url: url, region, namespace } = this.cloud;
    return createApiClient({ url, region, namespace, clock: systemClock, credentials });
  }

  async close(): Promise<void> {
    for (const service of this.#services) await service.stop();
    await rm(this.folder, { recursive: true, force: true });
  }
}
