import { createHash, createHmac } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';
import { HttpRequest } from '@smithy/protocol-http';
import { SignatureV4 } from '@smithy/signature-v4';
import { type AccessKey, KeyStore } from '../../localstack/identity/keys.ts';
import { createS3 } from '../../localstack/s3/server.ts';

export const REGION = 'eu-central-1';
export const BUCKET = 'packs';

export type Credentials = Pick<AccessKey, 'accessKeyId' | 'secretAccessKey' | 'sessionToken'>;

/** An S3 on a folder of its own, over real HTTP; its clock can be moved. */
export interface Fixture extends AsyncDisposable {
  readonly dir: string;
  readonly port: number;
  readonly keys: KeyStore;
  readonly root: AccessKey;
  readonly clock: { offsetMs: number; nowMs(): number };
  client(config?: S3ClientConfig): S3Client;
  /** Ends the server and starts another on the same folder. */
  restart(): Promise<void>;
}

export async function startS3(dir = mkdtempSync(join(tmpdir(), 's3-test-'))): Promise<Fixture> {
  const clock = { offsetMs: 0, nowMs: () => Date.now() + clock.offsetMs };
  const keys = new KeyStore(clock);
  const root = keys.issue({ arn: 'arn:aws:iam::000000000000:user/root' });
  let server = await serve(dir, keys, clock);
  const clients: S3Client[] = [];
  return {
    dir,
    keys,
    root,
    clock,
    get port() {
      return server.port;
    },
    client(config = {}) {
      const client = newClient(server.port, root, config);
      clients.push(client);
      return client;
    },
    async restart() {
      await server.stop();
      server = await serve(dir, keys, clock);
    },
    async [Symbol.asyncDispose]() {
      for (const client of clients) client.destroy();
      await server.stop();
      rmSync(dir, { recursive: true });
    },
  };
}

/** The SDK's client with its default settings but for the address; it tries once, so that no failure is hidden. */
export function newClient(port: number, key: Credentials, config: S3ClientConfig = {}): S3Client {
  return new S3Client({
    endpoint: `http://127.0.0.1:${port}`,
    forcePathStyle: true,
    region: REGION,
    credentials: credentialsOf(key),
    maxAttempts: 1,
    ...config,
  });
}

async function serve(dir: string, keys: KeyStore, clock: { nowMs(): number }) {
  const s3 = createS3({ dir, buckets: [BUCKET, 'other'], keys, clock, region: REGION });
  const server = createServer(s3.handle).on('checkContinue', s3.handle);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const stop = async () => {
    server.close();
    await s3.close();
    server.closeAllConnections();
  };
  return { port: (server.address() as AddressInfo).port, stop };
}

export function credentialsOf({ accessKeyId, secretAccessKey, sessionToken }: Credentials) {
  return { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) };
}

/** A request whose headers are signed as the SDK signs, for what the SDK would not send. */
export interface RawRequest {
  readonly method: string;
  readonly path: string;
  readonly headers?: Record<string, string>;
  readonly payloadHash?: string;
  readonly key?: Credentials;
}

export function signerOf(key: Credentials, service = 's3', region = REGION): SignatureV4 {
  const [credentials, uriEscapePath] = [credentialsOf(key), service !== 's3'];
  return new SignatureV4({ service, region, credentials, sha256: Sha256, uriEscapePath, applyChecksum: false });
}

export async function signHeaders({ port, root }: Fixture, raw: RawRequest): Promise<Record<string, string>> {
  const [path = '', query = ''] = raw.path.split('?');
  const signed = await signerOf(raw.key ?? root).sign(
    new HttpRequest({
      method: raw.method,
      path: path.split('/').map(canonical).join('/'),
      query: Object.fromEntries(new URLSearchParams(query)),
      headers: {
        host: `127.0.0.1:${port}`,
        'x-amz-content-sha256': raw.payloadHash ?? 'UNSIGNED-PAYLOAD',
        ...raw.headers,
      },
    }),
  );
  return signed.headers;
}

/** A segment as it is signed, however it is written in the request line. */
function canonical(segment: string): string {
  return encodeURIComponent(decodeURIComponent(segment));
}

/** Sends the head and whatever `body` gives over a bare socket; all that comes back until the server closes or is still. */
export async function exchange(fixture: Fixture, raw: RawRequest, body: string | Buffer = ''): Promise<string> {
  const headers = await signHeaders(fixture, raw);
  const lines = Object.entries({ ...headers, connection: 'close' }).map(([name, value]) => `${name}: ${value}`);
  const head = `${raw.method} ${raw.path} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`;
  return sendBytes(fixture.port, Buffer.concat([Buffer.from(head), Buffer.from(body)]));
}

/** Sends bytes over a bare socket; the answer up to the end of the connection. */
export async function sendBytes(port: number, bytes: string | Buffer): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.write(bytes);
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('latin1');
}

type Source = string | ArrayBuffer | ArrayBufferView;

/** What SignatureV4 wants as its hash, keyed or not. */
class Sha256 {
  readonly #hash;

  constructor(secret?: Source) {
    this.#hash = secret === undefined ? createHash('sha256') : createHmac('sha256', secret as Uint8Array);
  }

  update(data: Source): void {
    this.#hash.update(data as Uint8Array);
  }

  async digest(): Promise<Uint8Array> {
    return this.#hash.digest();
  }
}
