import { AssumeRoleCommand, STSClient } from '@aws-sdk/client-sts';
import { HttpRequest } from '@smithy/protocol-http';
import { SignatureV4 } from '@smithy/signature-v4';
import type { Credentials } from '../../../adapters/api/request.ts';
import { Sha256 } from '../../../adapters/api/sha256.ts';

const REGION = 'us-east-1';

/** What a function is deployed as. */
export interface DeployedFunction {
  readonly Description: string;
  readonly Role: string;
  readonly Environment: { readonly Variables: Readonly<Record<string, string>> };
}

/** The account of the emulator, as its root: makes roles and takes their sessions, as an administrator does. */
export class Account {
  readonly endpoint: string;
  readonly region = REGION;
  readonly #root: Credentials;
  readonly #sts: STSClient;

  constructor(endpoint: string, root: Credentials) {
    this.endpoint = endpoint;
    this.#root = root;
    this.#sts = new STSClient({ endpoint, region: REGION, credentials: root });
  }

  /** A role that the account may assume, with one policy; answers its ARN. */
  async createRole(name: string, policy: object, path = '/hosts/'): Promise<string> {
    const trust = this.#trust();
    const made = await this.#iam('CreateRole', { RoleName: name, Path: path, AssumeRolePolicyDocument: trust });
    const rights = { RoleName: name, PolicyName: 'rights', PolicyDocument: JSON.stringify(policy) };
    await this.#iam('PutRolePolicy', rights);
    return /<Arn>(.*?)<\/Arn>/.exec(made)![1]!;
  }

  /** Lets the account's root take sessions of a role that only a service may assume. */
  async openRole(arn: string): Promise<void> {
    await this.#iam('UpdateAssumeRolePolicy', { RoleName: arn.split('/').at(-1)!, PolicyDocument: this.#trust() });
  }

  async session(RoleArn: string, RoleSessionName: string): Promise<Credentials> {
    const { Credentials: given } = await this.#sts.send(new AssumeRoleCommand({ RoleArn, RoleSessionName }));
    return {
      accessKeyId: given!.AccessKeyId!,
      secretAccessKey: given!.SecretAccessKey!,
      sessionToken: given!.SessionToken!,
    };
  }

  /** By its purpose, which is its description. */
  async functionFor(purpose: string): Promise<DeployedFunction> {
    const text = await this.#send('lambda', 'GET', '/2015-03-31/functions/');
    const { Functions } = JSON.parse(text) as { Functions: DeployedFunction[] };
    const found = Functions.find(({ Description }) => Description === `LayerMover: ${purpose}`);
    if (found === undefined) throw new Error(`no function for ${purpose}: ${text.slice(0, 500)}`);
    return found;
  }

  close(): void {
    this.#sts.destroy();
  }

  #trust(): string {
    const statement = {
      Effect: 'Allow',
      Principal: { AWS: 'arn:aws:iam::000000000000:root' },
      Action: 'sts:AssumeRole',
    };
    return JSON.stringify({ Version: '2012-10-17', Statement: [statement] });
  }

  #iam(Action: string, fields: Readonly<Record<string, string>>): Promise<string> {
    return this.#send('iam', 'POST', '/', new URLSearchParams({ Action, Version: '2010-05-08', ...fields }).toString());
  }

  async #send(service: string, method: string, path: string, body?: string): Promise<string> {
    const { protocol, host } = new URL(this.endpoint);
    const signer = new SignatureV4({ service, region: REGION, credentials: this.#root, sha256: Sha256 });
    const type = body === undefined ? {} : { 'content-type': 'application/x-www-form-urlencoded' };
    const request = new HttpRequest({ method, protocol, hostname: host, path, headers: { host, ...type }, body });
    const { host: _setByFetch, ...headers } = (await signer.sign(request)).headers;
    const answer = await fetch(`${this.endpoint}${path}`, { method, headers, ...(body === undefined ? {} : { body }) });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${service} ${method} ${body ?? path}: ${answer.status} ${text}`);
    return text;
  }
}
