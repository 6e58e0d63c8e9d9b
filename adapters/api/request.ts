import { HttpRequest } from '@smithy/protocol-http';
import { SignatureV4 } from '@smithy/signature-v4';
import { NAMESPACE_HEADER } from '../../core/api/names.ts';
import type { Route } from '../../core/api/routes.ts';
import type { Clock } from '../../core/ports.ts';
import { Sha256 } from './sha256.ts';

export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

/** A call before its types are lost: see CallOf. */
export interface PlainCall {
  readonly params?: Readonly<Record<string, string>> | undefined;
  readonly query?: Readonly<Record<string, string | number | undefined>> | undefined;
  readonly body?: unknown;
}

export interface SigningOptions {
  readonly url: string;
  readonly region: string;
  readonly credentials: Credentials | (() => Promise<Credentials>);
  readonly namespace: string;
  readonly clock: Clock;
}

/** `skewMs` is how far the API's clock is ahead of this machine's. */
export type Signer = (route: Route, call: PlainCall, skewMs?: number) => Promise<Request>;

/** Makes requests of routes, signed with AWS Signature Version 4 for execute-api, as IAM authorization of API Gateway wants them. */
export function createSigner({ url, region, credentials, namespace, clock }: SigningOptions): Signer {
  const base = new URL(url);
  const signer = new SignatureV4({ service: 'execute-api', region, credentials, sha256: Sha256 });

  return async (route, call, skewMs = 0) => {
    const body = bodyOf(route, call.body);
    const request = new HttpRequest({
      method: route.method,
      protocol: base.protocol,
      hostname: base.host,
      path: base.pathname.replace(/\/$/, '') + fillPath(route.path, call.params ?? {}),
      query: textOf(call.query ?? {}),
      headers: { host: base.host, [NAMESPACE_HEADER]: namespace, ...mediaTypes(route) },
      body,
    });
    const { headers, path, query } = await signer.sign(request, { signingDate: new Date(clock.nowMs() + skewMs) });
    const { host: _setByFetch, ...sent } = headers;
    return new Request(`${base.origin}${path}${searchOf(query as Record<string, string>)}`, {
      method: route.method,
      headers: sent,
      redirect: 'error',
      ...(body === undefined ? {} : { body }),
    });
  };
}

function fillPath(path: string, params: Readonly<Record<string, string>>): string {
  return path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(params[name] ?? ''));
}

function textOf(query: Readonly<Record<string, string | number | undefined>>): Record<string, string> {
  const given = Object.entries(query).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given.map(([name, value]) => [name, String(value)]));
}

/** Spaces as %20, not +: both sides of the signature must read it alike. */
function searchOf(query: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(query).map(([name, value]) => `${name}=${encodeURIComponent(value)}`);
  return pairs.length === 0 ? '' : `?${pairs.join('&')}`;
}

function bodyOf(route: Route, body: unknown): Uint8Array<ArrayBuffer> | undefined {
  if (route.body === undefined) return undefined;
  return route.body === 'binary' ? (body as Uint8Array<ArrayBuffer>) : Buffer.from(JSON.stringify(body));
}

const MEDIA_TYPE = { binary: 'application/octet-stream', json: 'application/json' } as const;

/** API Gateway hands out bytes as bytes only to a caller that accepts their media type. */
function mediaTypes(route: Route): Record<string, string> {
  const accept = { accept: route.answer === 'binary' ? MEDIA_TYPE.binary : MEDIA_TYPE.json };
  return route.body === undefined
    ? accept
    : { ...accept, 'content-type': route.body === 'binary' ? MEDIA_TYPE.binary : MEDIA_TYPE.json };
}
