import { EventBridgeClient, PutEventsCommand } from '@aws-sdk/client-eventbridge';
import { PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { defaultProvider } from '@aws-sdk/credential-provider-node';
import { createS3Client } from '../../adapters/aws/clients.ts';
import type { CloudFile } from '../../bin/connection.ts';
import type { Key } from '../signed-fetch.ts';

export function servicesOf({ services }: CloudFile): NonNullable<CloudFile['services']> {
  if (services === undefined) throw new Error('the cloud file tells no bus and no bucket');
  return services;
}

/** The key that the file holds, else what AWS's own tools find. */
export async function keyOf({ credentials }: CloudFile): Promise<Key> {
  if (credentials === undefined) return await defaultProvider()();
  const { access_key_id: accessKeyId, secret_access_key: secretAccessKey, session_token: sessionToken } = credentials;
  return { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) };
}

/** Settings of the SDK's clients of the cloud's services. */
export function clientConfig(cloud: CloudFile) {
  const { endpoint } = servicesOf(cloud);
  return {
    region: cloud.region,
    ...(endpoint === undefined ? {} : { endpoint }),
    credentials: () => keyOf(cloud),
  };
}

/** The bus and the bucket of a cloud, as others use them to ask for migrations. */
export class Services {
  readonly #events: EventBridgeClient;
  readonly #s3: S3Client;
  readonly #bus: string;
  readonly #bucket: string;

  constructor(cloud: CloudFile) {
    const { bus, bucket } = servicesOf(cloud);
    const config = clientConfig(cloud);
    this.#events = new EventBridgeClient(config);
    this.#s3 = createS3Client(config);
    this.#bus = bus;
    this.#bucket = bucket;
  }

  /** Puts an event on the bus, from a source of its own. */
  async emit(DetailType: string, detail: unknown): Promise<void> {
    const entry = { EventBusName: this.#bus, Source: 'e2e', DetailType, Detail: JSON.stringify(detail) };
    const { FailedEntryCount } = await this.#events.send(new PutEventsCommand({ Entries: [entry] }));
    if (FailedEntryCount !== 0) throw new Error('the bus took no event');
  }

  async put(Key: string, Body: string): Promise<void> {
    await this.#s3.send(new PutObjectCommand({ Bucket: this.#bucket, Key, Body }));
  }

  close(): void {
    this.#events.destroy();
    this.#s3.destroy();
  }
}
