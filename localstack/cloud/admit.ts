import type { IncomingMessage } from 'node:http';
import type { Clock } from '../clock.ts';
import type { AccessKey, KeyStore } from '../identity/keys.ts';
import { verifySigV4 } from '../identity/sigv4.ts';
import { limits } from '../limits.ts';
import { readBody } from './body.ts';

/** What a service needs to tell who signed a request. */
export interface Guard {
  readonly keys: KeyStore;
  readonly region: string;
  readonly clock: Clock;
}

/** Why a request is refused, in the service's words. */
export interface Refusal {
  readonly code: string;
  readonly message: string;
  readonly status: number;
}

/** The body of a signed request and the key that signed it, or why it is refused. */
export async function admit(
  req: IncomingMessage,
  service: string,
  { keys, region, clock }: Guard,
): Promise<{ readonly key: AccessKey; readonly text: string } | { readonly error: Refusal }> {
  const body = await readBody(req, limits.service_body_bytes_max);
  if (body === undefined) {
    return { error: { code: 'RequestEntityTooLargeException', message: 'The request body is too large', status: 413 } };
  }
  const verified = verifySigV4(
    { method: req.method ?? '', rawPath: req.url ?? '', headers: req.headers },
    { keys, service, region, nowMs: clock.nowMs(), payloadHash: body.sha256 },
  );
  return 'error' in verified ? verified : { key: verified.key, text: body.bytes.toString('utf8') };
}
