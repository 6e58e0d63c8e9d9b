import type { IncomingMessage, ServerResponse } from 'node:http';
import * as z from 'zod';
import { isBinary } from './media-types.ts';

const headerValue = z.union([z.string(), z.boolean(), z.number()]).transform(String);

/** What API Gateway takes from a Lambda proxy integration; anything else is a malformed answer. */
const proxyReply = z.strictObject({
  statusCode: z.coerce.number().int().min(100).max(599).default(200),
  headers: z.record(z.string(), headerValue).nullish(),
  multiValueHeaders: z.record(z.string(), z.array(headerValue)).nullish(),
  body: z.string().nullish(),
  isBase64Encoded: z.boolean().nullish(),
});

export type ProxyReply = z.output<typeof proxyReply>;

/** The function's answer, or undefined if it is not of the proxy format. */
export function parseReply(payload: string): ProxyReply | undefined {
  const parsed = proxyReply.safeParse(JSON.parse(payload));
  return parsed.success ? parsed.data : undefined;
}

/** What API Gateway sets itself, whatever the function says. */
const OWN_HEADERS = new Set(['connection', 'content-length', 'transfer-encoding']);

/**
 * Answers with a function's reply. As on AWS a base64 body becomes bytes only if the request's first Accept media type
 * is one of the API's binary media types; otherwise the base64 text is sent.
 */
export function sendReply(
  req: IncomingMessage,
  res: ServerResponse,
  reply: ProxyReply,
  binaryMediaTypes: readonly string[],
): void {
  const decode = reply.isBase64Encoded === true && isBinary(binaryMediaTypes, req.headers.accept);
  const body = Buffer.from(reply.body ?? '', decode ? 'base64' : 'utf8');
  res.setHeader('Content-Type', 'application/json');
  for (const [name, value] of Object.entries({ ...reply.headers, ...reply.multiValueHeaders })) {
    if (!OWN_HEADERS.has(name.toLowerCase())) res.setHeader(name, value);
  }
  res.writeHead(reply.statusCode, { 'Content-Length': body.length }).end(body);
}

/** A gateway response: what API Gateway says itself, as `{"message": …}` with the error's type in a header. */
export interface GatewayError {
  readonly status: number;
  readonly type: string;
  readonly message: string;
}

export const gatewayErrors = {
  unknownStage: { status: 403, type: 'ForbiddenException', message: 'Forbidden' },
  noMethod: { status: 403, type: 'MissingAuthenticationTokenException', message: 'Missing Authentication Token' },
  headersTooLarge: { status: 431, type: 'BadRequestException', message: 'Request Header Fields Too Large' },
  bodyTooLarge: { status: 413, type: 'RequestTooLargeException', message: 'Request Too Long' },
  functionFailed: { status: 502, type: 'InternalServerErrorException', message: 'Internal server error' },
  invokeRefused: { status: 500, type: 'InternalServerErrorException', message: 'Internal server error' },
  timedOut: { status: 504, type: 'GatewayTimeoutException', message: 'Endpoint request timed out' },
} as const satisfies Record<string, GatewayError>;

export function sendGatewayError(res: ServerResponse, { status, type, message }: GatewayError): void {
  res
    .writeHead(status, { 'Content-Type': 'application/json', 'x-amzn-ErrorType': type })
    .end(JSON.stringify({ message }));
}
