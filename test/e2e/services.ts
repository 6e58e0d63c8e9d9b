import { EventBridgeClient, PutEventsCommand } from '@aws-sdk/client-eventbridge';
import { PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { createS3Client } from '../../adapters/aws/clients.ts';
import type { CloudFile } from '../../bin/connection.ts';

/** The bus and the bucket of a cloud, as others use them to ask for migrations. */
export class Services {
  readonly #events: EventBridgeClient;
  readonly #s3: S3Client;
  readonly #bus: string;
  readonly #bucket: string;

  constructor({ region, credentials: given, services }: CloudFile) {
    if (services === undefined) throw new Error('the cloud file tells no bus and no bucket');
    const { endpoint, bus, bucket } = services;
    const { access_key_id: accessKeyId = '', secret_access_key: secretAccessKey = '' } = given ?? {};
    const config = {
      region,
      ...(endpoint === undefined ? {} : { endpoint }),
      ...(given === undefined ? {} : { credentials: { accessKeyId, secretAccessKey } }),
    };
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
