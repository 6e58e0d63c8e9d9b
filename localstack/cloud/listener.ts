import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import * as z from 'zod';
import { type Clock, delay } from '../clock.ts';
import { CloudError } from '../errors.ts';
import { limits } from '../limits.ts';
import { readState, writeState } from './state-file.ts';

export type Handler = (req: IncomingMessage, res: ServerResponse) => void;

export interface ListenOptions {
  /** 0 or none for any. */
  readonly wanted: number | undefined;
  /** Remembers the port, so that clients outlive a restart. */
  readonly file: string;
  readonly clock: Clock;
}

export interface Listener {
  readonly port: number;
  /** Takes no more requests, gives those in flight a moment, then cuts them off. */
  close(): Promise<void>;
}

/** The only address that is ever bound. */
export const LOOPBACK = '127.0.0.1';

const portFile = z.object({ port: z.int().min(1).max(65_535) });

/**
 * Listens on the loopback interface: on the wanted port or nothing; without one on the last start's if that is free, else
 * on any. A request that asks before it sends (`Expect: 100-continue`) is handled like any other.
 * @throws CloudError PORT_IN_USE
 */
export async function listen(handle: Handler, { wanted, file, clock }: ListenOptions): Promise<Listener> {
  const server = createServer(
    { maxHeaderSize: limits.header_bytes_max, requestTimeout: limits.request_ms_max },
    handle,
  );
  server.on('checkContinue', handle);
  server.maxConnections = limits.connections_max;
  server.keepAliveTimeout = limits.keep_alive_ms;
  server.timeout = limits.still_ms;
  const preferred = wanted || (readState(file, portFile)?.port ?? 0);
  if (!(await bind(server, preferred))) {
    if (wanted) throw new CloudError('PORT_IN_USE', `port ${wanted} is in use`, 'Choose another port, or 0 for any.');
    await bind(server, 0);
  }
  const { port } = server.address() as AddressInfo;
  writeState(file, { port });
  return { port, close: () => close(server, clock) };
}

/** False if the port is taken. */
function bind(server: Server, port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const failed = (error: Error & { code?: string }) => (error.code === 'EADDRINUSE' ? resolve(false) : reject(error));
    server.once('error', failed);
    server.listen(port, LOOPBACK, () => {
      server.off('error', failed);
      resolve(true);
    });
  });
}

async function close(server: Server, clock: Clock): Promise<void> {
  const closed = new Promise((resolve) => server.close(resolve));
  server.closeIdleConnections();
  await Promise.race([closed, delay(clock, limits.drain_ms)]);
  server.closeAllConnections();
  await closed;
}
