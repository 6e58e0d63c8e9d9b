import { join, resolve } from 'node:path';
import { createBucketObjects } from '../adapters/aws/bucket-objects.ts';
import { createS3Client } from '../adapters/aws/clients.ts';
import { systemClock } from '../adapters/system/clock.ts';
import { systemRandom } from '../adapters/system/random.ts';
import type { ObjectKind } from '../agent/push/port.ts';
import { readCloudFile } from '../bin/connection.ts';
import { objectKey } from '../core/format/keys.ts';
import { limits } from '../core/limits.ts';
import type { ObjectStore } from '../core/ports.ts';
import { synthesize } from '../infra/synth.ts';
import { loadModel } from '../localstack/assembly/load.ts';
import { NullSink } from './objects.ts';
import { start } from './services.ts';

const ASSEMBLY = resolve(import.meta.dirname, '../cdk.out');

/** Sends objects to an object store as agents do; only the few small calls of the API are left out. */
export class StoreSink extends NullSink {
  readonly #store: ObjectStore;
  readonly #scope: string;

  constructor(store: ObjectStore, scope: string) {
    super();
    this.#store = store;
    this.#scope = scope;
  }

  override put(kind: ObjectKind, id: string, parts: readonly Uint8Array[]): Promise<'written' | 'present'> {
    return this.#store.put(objectKey(this.#scope, kind, id), parts);
  }
}

/** The object store of an embedded cloud that runs as a process of its own. */
export async function startObjects(folder: string): Promise<{ store: ObjectStore; stop(): Promise<void> }> {
  const cloud = await start(['cloud', 'start', '--data', join(folder, 'cloud')], join(folder, 'cloud.log'));
  const { api_url: url, region, credentials } = await readCloudFile(String(cloud.ready.cloud_file));
  const client = createS3Client({
    endpoint: new URL(url).origin,
    region,
    credentials: { accessKeyId: credentials!.access_key_id, secretAccessKey: credentials!.secret_access_key },
  });
  const [bucket] = loadModel(synthesize(ASSEMBLY)).buckets;
  const retry = { clock: systemClock, random: systemRandom, attempts: 1, firstMs: 1, maxMs: limits.agent_retry_ms_max };
  const store = createBucketObjects({ client, bucket: bucket!, retry });
  return {
    store,
    async stop() {
      client.destroy();
      await cloud.stop();
    },
  };
}
