import type { IncomingMessage } from 'node:http';
import type { ApiModel } from '../assembly/model.ts';
import type { AccessKey } from '../identity/keys.ts';
import { isBinary } from './media-types.ts';
import type { Match } from './routes.ts';

/** A request that has found its method. */
export interface RoutedRequest {
  readonly req: IncomingMessage;
  readonly body: Buffer;
  readonly requestId: string;
  readonly nowMs: number;
  readonly stage: ApiModel['stages'][number];
  /** Path below the stage, percent-encoded as it came. */
  readonly path: string;
  readonly query: string;
  readonly match: Match;
  /** Who signed the request; nobody where the method takes unsigned ones. */
  readonly caller: AccessKey | undefined;
}

/** The Lambda proxy event of format 1.0 that API Gateway makes of a request. */
export function proxyEvent(api: ApiModel, account: string, request: RoutedRequest): Record<string, unknown> {
  const { req, body, stage, path, match } = request;
  const headers = headersOf(req, request.caller !== undefined);
  const query = multiMap([...new URLSearchParams(request.query)]);
  const binary = isBinary(api.binaryMediaTypes, req.headers['content-type']);
  return {
    resource: match.method.resourcePath,
    path,
    httpMethod: req.method,
    headers: lastOf(headers),
    multiValueHeaders: headers,
    queryStringParameters: orNull(lastOf(query)),
    multiValueQueryStringParameters: orNull(query),
    pathParameters: orNull(match.parameters),
    stageVariables: orNull(stage.variables ?? {}),
    requestContext: requestContext(api, account, request),
    body: body.length === 0 ? null : body.toString(binary ? 'base64' : 'utf8'),
    isBase64Encoded: binary && body.length > 0,
  };
}

function requestContext(api: ApiModel, account: string, request: RoutedRequest): Record<string, unknown> {
  const { req, requestId, stage, path, match, nowMs, caller } = request;
  return {
    accountId: account,
    apiId: api.id,
    stage: stage.name,
    resourceId: match.method.resourceId,
    resourcePath: match.method.resourcePath,
    httpMethod: req.method,
    path: `/${stage.name}${path}`,
    protocol: `HTTP/${req.httpVersion}`,
    requestId,
    extendedRequestId: requestId,
    requestTime: new Date(nowMs).toUTCString(),
    requestTimeEpoch: nowMs,
    domainName: req.headers.host,
    identity: {
      sourceIp: req.socket.remoteAddress ?? '127.0.0.1',
      userAgent: req.headers['user-agent'] ?? null,
      accessKey: caller?.accessKeyId ?? null,
      accountId: caller?.account ?? null,
      caller: caller?.accessKeyId ?? null,
      user: caller?.accessKeyId ?? null,
      userArn: caller?.arn ?? null,
    },
  };
}

const HOP_HEADERS = new Set(['connection', 'content-length', 'transfer-encoding', 'keep-alive', 'expect']);

/** The request's headers with their case kept; a signature that has been checked goes no further. */
function headersOf(req: IncomingMessage, signed: boolean): Record<string, string[]> {
  const pairs: [string, string][] = [];
  for (let i = 0; i < req.rawHeaders.length; i += 2) pairs.push([req.rawHeaders[i]!, req.rawHeaders[i + 1]!]);
  return multiMap(
    pairs.filter(([name]) => {
      const lower = name.toLowerCase();
      return !HOP_HEADERS.has(lower) && !(signed && lower === 'authorization');
    }),
  );
}

function multiMap(pairs: readonly (readonly [string, string])[]): Record<string, string[]> {
  const map: Record<string, string[]> = Object.create(null);
  for (const [name, value] of pairs) {
    map[name] ??= [];
    map[name].push(value);
  }
  return map;
}

function lastOf(map: Readonly<Record<string, readonly string[]>>): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(map).map(([name, values]) => [name, values.at(-1)]));
}

const orNull = <T extends object>(map: T): T | null => (Object.keys(map).length === 0 ? null : map);
