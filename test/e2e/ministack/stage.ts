import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type ApiClient, createApiClient } from '../../../adapters/api/client.ts';
import type { Credentials } from '../../../adapters/api/request.ts';
import { systemClock } from '../../../adapters/system/clock.ts';
import type { HostRef } from '../../../core/api/names.ts';
import { layermover } from '../../slow/command.ts';
import { Stage } from '../stage.ts';
import { Account } from './account.ts';

/** The host of a role that `host enrol` has bound, with the policy that it printed. */
export interface BoundHost {
  readonly ref: HostRef;
  readonly role: string;
  /** Signs as a session of the role, by default within the stage's namespace. */
  api(session: string, namespace?: string): Promise<ApiClient>;
}

/** A namespace on a cloud that enforces IAM, and its account. */
export class IamStage {
  readonly stage: Stage;
  readonly account: Account;
  readonly root: Credentials;

  private constructor(stage: Stage, root: Credentials) {
    this.stage = stage;
    this.root = root;
    this.account = new Account(new URL(stage.cloud.api_url).origin, root);
  }

  static async open(): Promise<IamStage> {
    const stage = await Stage.open();
    const { access_key_id: accessKeyId, secret_access_key: secretAccessKey } = stage.cloud.credentials!;
    return new IamStage(stage, { accessKeyId, secretAccessKey });
  }

  /** Enrols a host as an operator does, by the command alone: prints the policy, makes the role, binds it. `rights` in place of the policy. */
  async bind(site: string, host: string, rights?: object): Promise<BoundHost> {
    const { namespace } = this.stage.cloud;
    const words = [
      'host',
      'enrol',
      '--site',
      site,
      '--host',
      host,
      '--cloud',
      this.stage.file,
      '--api',
      this.#urlOnAws(),
      '--json',
    ];
    const printed = await layermover(words);
    const { policy } = printed.lines[0] as { policy: object };
    const role = await this.account.createRole(`${namespace}-${site}-${host}`, rights ?? policy);
    const bound = await layermover([...words, '--identity', role]);
    if (bound.code !== 0) throw new Error(bound.stderr);
    const api = async (session: string, within = namespace) =>
      this.client(await this.account.session(role, session), within);
    return { ref: `${site}/${host}`, role, api };
  }

  client(credentials: Credentials, namespace = this.stage.cloud.namespace): ApiClient {
    const { api_url: url, region } = this.stage.cloud;
    return createApiClient({ url, region, namespace, clock: systemClock, credentials });
  }

  /** The cloud file of a host, with keys of a session of its role. */
  async fileOf({ role }: BoundHost, name: string): Promise<string> {
    const { accessKeyId, secretAccessKey, sessionToken } = await this.account.session(role, name);
    const credentials = { access_key_id: accessKeyId, secret_access_key: secretAccessKey, session_token: sessionToken };
    const file = path.join(this.stage.folder, `${name}.json`);
    await writeFile(file, JSON.stringify({ ...this.stage.cloud, credentials }), { mode: 0o600 });
    return file;
  }

  async close(): Promise<void> {
    this.account.close();
    await this.stage.close();
  }

  /** The API as AWS would name it: policies are about that name, wherever the emulator answers. */
  #urlOnAws(): string {
    const [, api, stage] = /execute-api\/([^/]+)\/([^/]+)$/.exec(this.stage.cloud.api_url)!;
    return `https://${api}.execute-api.${this.account.region}.amazonaws.com/${stage}`;
  }
}
