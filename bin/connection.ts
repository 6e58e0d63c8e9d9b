import { readFile } from 'node:fs/promises';
import path from 'node:path';
import * as z from 'zod';
import { type ApiClient, createApiClient } from '../adapters/api/client.ts';
import type { Credentials } from '../adapters/api/request.ts';
import { systemClock } from '../adapters/system/clock.ts';
import { DEFAULT_NAMESPACE, ownNamespace, PUBLIC_NAMESPACE } from '../core/api/names.ts';
import { LayerMoverError } from '../core/errors.ts';

/**
 * How to reach a cloud: the file that `cloud start` and `cloud connect` write, mode 0600. Without credentials those are used
 * that AWS's own tools would find: of the environment, a profile, the machine.
 */
export const cloudFile = z.object({
  api_url: z.url(),
  region: z.string(),
  namespace: ownNamespace.default(DEFAULT_NAMESPACE),
  credentials: z
    .object({
      access_key_id: z.string(),
      secret_access_key: z.string(),
      session_token: z.string().optional(),
    })
    .optional(),
  /**
   * Where events and objects ask for migrations: bus and bucket of the stack, and the URL of the queue of those that failed for good;
   * and where such services are if not at AWS's address.
   */
  services: z
    .object({
      endpoint: z.url().optional(),
      bus: z.string(),
      bucket: z.string(),
      refused_queue: z.string().optional(),
    })
    .optional(),
});
export type CloudFile = z.infer<typeof cloudFile>;

export const DEFAULT_DATA = '.layermover';
export const CLOUD_FILE = 'cloud.json';

export function cloudFilePath(option: string | undefined): string {
  return option ?? process.env.LAYERMOVER_CLOUD ?? path.join(DEFAULT_DATA, CLOUD_FILE);
}

/** Reads the cloud file; CLOUD_FILE_MISSING if there is none, CLOUD_FILE_INVALID if it isn't one. */
export async function readCloudFile(option: string | undefined): Promise<CloudFile> {
  const file = cloudFilePath(option);
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    throw new LayerMoverError('CLOUD_FILE_MISSING', `there is no cloud file at ${file}`, {
      hint: 'start a cloud with `layermover cloud start`, connect to one with `cloud connect`, or name its file with --cloud FILE or LAYERMOVER_CLOUD',
      cause,
    });
  }
  try {
    return cloudFile.parse(JSON.parse(text));
  } catch {
    // No cause: it would quote the file, which holds a secret.
    throw new LayerMoverError('CLOUD_FILE_INVALID', `${file} is not a cloud file`, {
      hint: '`layermover cloud start` or `layermover cloud connect` writes it anew',
    });
  }
}

/** A client of the cloud that the file tells of. */
export function clientOf(cloud: CloudFile): ApiClient {
  return createApiClient({
    url: cloud.api_url,
    region: cloud.region,
    namespace: cloud.namespace,
    clock: systemClock,
    fetch: impatient(cloud.api_url),
    credentials: cloud.credentials === undefined ? foundByAws() : written(cloud.credentials),
  });
}

function written(given: NonNullable<CloudFile['credentials']>): Credentials {
  const { access_key_id: accessKeyId, secret_access_key: secretAccessKey, session_token: sessionToken } = given;
  return { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) };
}

/** Asked for at the first call, and again before they expire. */
function foundByAws(): () => Promise<Credentials> {
  const provider = import('@aws-sdk/credential-provider-node').then(({ defaultProvider }) => defaultProvider());
  return async () => {
    const find = await provider;
    try {
      const { accessKeyId, secretAccessKey, sessionToken } = await find();
      return { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) };
    } catch (cause) {
      throw new LayerMoverError('CREDENTIALS_MISSING', 'there are no AWS credentials to sign with', {
        hint: 'give this machine a role, set AWS_PROFILE, or put credentials into the cloud file',
        cause,
      });
    }
  };
}

/** A client of the cloud that the option, the environment or the default place names. */
export async function connect(option: string | undefined): Promise<ApiClient> {
  return clientOf(await readCloudFile(option));
}

/** The same for what is published: it keeps the public namespace's store in order, and can nothing else. */
export async function connectPublic(option: string | undefined): Promise<ApiClient> {
  return clientOf({ ...(await readCloudFile(option)), namespace: PUBLIC_NAMESPACE });
}

/** Says once that the cloud doesn't answer, while the client goes on asking for a while. */
function impatient(url: string): typeof fetch {
  let told = false;
  return async (...request) => {
    try {
      return await fetch(...request);
    } catch (error) {
      if (!told && (error as Error).name === 'TypeError')
        process.stderr.write(`${url} does not answer; trying on for a while\n`);
      told = true;
      throw error;
    }
  };
}
