import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../clock.ts';

/** One service's side of the shared port. */
export type ServiceHandler = (req: IncomingMessage, res: ServerResponse) => Promise<void>;

/** S3 looks at a request before it asks for the body; the others want the body first. */
const LOOKS_FIRST = 's3';
/** The API takes unsigned requests as well, to answer or refuse them in its own words. */
const UNSIGNED = 'execute-api';

/**
 * All services share one port, so that one endpoint URL serves every SDK client: the service that a signature is scoped
 * to tells whose request it is. A service that is not emulated is refused here instead of being looked for elsewhere.
 * Answers tell the clock's time, as clients correct their own by it.
 */
export function createFront(
  services: Readonly<Record<string, ServiceHandler>>,
  clock: Clock,
  log: (line: string) => void,
): (req: IncomingMessage, res: ServerResponse) => void {
  return (req, res) => {
    res.on('error', () => {});
    res.setHeader('Date', new Date(clock.nowMs()).toUTCString());
    const service = serviceOf(req);
    const handle = Object.hasOwn(services, service) ? services[service] : undefined;
    if (handle === undefined) {
      req.resume();
      send(res, 501, { __type: 'NotImplemented', message: `The embedded cloud has no ${service}` });
      return;
    }
    if (req.headers.expect !== undefined && service !== LOOKS_FIRST) res.writeContinue();
    handle(req, res).catch((error: unknown) => {
      if (req.destroyed && !req.complete) return;
      log(`${service} ${req.method} ${req.url}: ${error instanceof Error ? error.stack : String(error)}`);
      if (res.headersSent) res.destroy();
      else send(res, 500, { __type: 'InternalFailure', message: 'Internal server error' });
    });
  };
}

function serviceOf(req: IncomingMessage): string {
  const presigned = new URLSearchParams(req.url?.split('?')[1]).get('X-Amz-Credential');
  const signed = /Credential=([^,\s]+)/.exec(req.headers.authorization ?? '')?.[1];
  const [, , , service] = (signed ?? presigned ?? '').split('/');
  return service || UNSIGNED;
}

function send(res: ServerResponse, status: number, body: unknown): void {
  res.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body));
}
