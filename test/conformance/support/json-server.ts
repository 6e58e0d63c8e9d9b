import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';

/** Answers a call of an AWS JSON protocol; throws what has code, message and status. */
export type JsonCall = (service: string, operation: string, body: unknown) => Promise<unknown>;

export interface JsonServer {
  /** What an SDK client needs to reach it. */
  readonly config: {
    endpoint: string;
    region: string;
    credentials: { accessKeyId: string; secretAccessKey: string };
    maxAttempts: number;
  };
  close(): Promise<void>;
}

/** The least front that an SDK client needs: the operation in a header, JSON in the body, an error's code in `__type`. */
export async function startJsonServer(call: JsonCall): Promise<JsonServer> {
  const server = createServer(async (req, res) => {
    const [service = '', operation = ''] = String(req.headers['x-amz-target']).split('.');
    const [status, body] = await call(service, operation, await json(req)).then(
      (answer) => [200, answer] as const,
      ({ status, code, message }) => [status as number, { __type: code, message }] as const,
    );
    res.writeHead(status, { 'content-type': 'application/x-amz-json-1.0' }).end(JSON.stringify(body));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    config: {
      endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      region: 'eu-central-1',
      credentials: { accessKeyId: 'key', secretAccessKey: 'secret' },
      maxAttempts: 1,
    },
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
