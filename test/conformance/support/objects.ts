import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { STSClient } from '@aws-sdk/client-sts';
import { createS3Client } from '../../../adapters/aws/clients.ts';
import { createGranter } from '../../../adapters/aws/granter.ts';
import { createObjectJanitor } from '../../../adapters/aws/object-janitor.ts';
import { createMemoryObjects } from '../../../adapters/memory/objects.ts';
import { systemClock } from '../../../adapters/system/clock.ts';
import { systemRandom } from '../../../adapters/system/random.ts';
import type { Granter, ObjectJanitor } from '../../../core/ports.ts';
import { KeyStore } from '../../../localstack/identity/keys.ts';
import { handleSts } from '../../../localstack/identity/sts.ts';
import { createS3 } from '../../../localstack/s3/server.ts';

const REGION = 'eu-central-1';
const BUCKET = 'packs';

export interface ObjectCloud {
  readonly here: ObjectJanitor;
  readonly there: ObjectJanitor;
  close(): Promise<void>;
}

export const objectClouds: readonly { name: string; start(): Promise<ObjectCloud> }[] = [
  { name: 'memory', start: startMemory },
  { name: 'aws (embedded S3)', start: startS3 },
];

async function startMemory(): Promise<ObjectCloud> {
  const objects = createMemoryObjects();
  return { here: objects, there: objects, close: async () => {} };
}

export interface S3Cloud extends ObjectCloud {
  readonly endpoint: string;
  readonly granter: Granter;
  /** What comes before S3 and STS; it answers true if it took the request. */
  intercept: ((...call: Parameters<RequestListener>) => boolean) | undefined;
  /** Moves the store's clock, not this machine's. */
  skewMs: number;
}

/** S3 and STS over HTTP in this process. */
export async function startS3(): Promise<S3Cloud> {
  const dir = mkdtempSync(join(tmpdir(), 'conformance-'));
  const clock = { nowMs: () => systemClock.nowMs() + cloud.skewMs };
  const keys = new KeyStore(clock);
  const root = keys.issue({ arn: 'arn:aws:iam::111122223333:user/root' });
  const s3 = createS3({ dir, buckets: [BUCKET], keys, clock, region: REGION });
  const sts = async (...[req, res]: Parameters<RequestListener>) => {
    const { status, contentType, body } = handleSts({ body: await text(req), caller: root, keys });
    res.writeHead(status, { 'content-type': contentType }).end(body);
  };
  const listener: RequestListener = (req, res) => {
    if (cloud.intercept?.(req, res) === true) return;
    void (req.url === '/' ? sts(req, res) : s3.handle(req, res));
  };
  const server = createServer(listener).on('checkContinue', listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const config = { endpoint, region: REGION, credentials: root };
  const retry = { clock: systemClock, random: systemRandom, attempts: 4, firstMs: 5, maxMs: 20 };
  const janitor = () => createObjectJanitor({ client: createS3Client(config), bucket: BUCKET, retry });
  const cloud: S3Cloud = {
    endpoint,
    here: janitor(),
    there: janitor(),
    granter: createGranter({
      client: new STSClient(config),
      roleArn: 'arn:aws:iam::111122223333:role/agent',
      keyArn: 'arn:aws:kms:eu-central-1:111122223333:key/objects',
      bucket: BUCKET,
      region: REGION,
      endpoint,
    }),
    intercept: undefined,
    skewMs: 0,
    async close() {
      server.closeAllConnections();
      server.close();
      await s3.close();
      rmSync(dir, { recursive: true });
    },
  };
  return cloud;
}
