import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ApiModel, MethodModel } from '../assembly/model.ts';
import type { Clock } from '../clock.ts';
import { readBody } from '../cloud/body.ts';
import { ServiceError } from '../errors.ts';
import type { AccessKey, KeyStore } from '../identity/keys.ts';
import { isAllowed } from '../identity/policy.ts';
import { verifySigV4 } from '../identity/sigv4.ts';
import type { Lambda } from '../lambda/lambda.ts';
import { limits } from '../limits.ts';
import { type GatewayError, gatewayErrors, parseReply, sendGatewayError, sendReply } from './answer.ts';
import { proxyEvent, type RoutedRequest } from './event.ts';
import { createRouter } from './routes.ts';

export interface GatewayDeps {
  readonly api: ApiModel;
  readonly account: string;
  readonly region: string;
  readonly keys: KeyStore;
  readonly clock: Clock;
  readonly lambda: Lambda;
}

/** Thrown on the way to the function, answered at the gateway's edge. */
class Refused extends Error {
  readonly error: GatewayError;

  constructor(error: GatewayError) {
    super(error.message);
    this.error = error;
  }
}

/**
 * A REST API (v1) at `/<stage>/…`: path matching, IAM signatures, quotas and Lambda proxy integrations with API
 * Gateway's own error bodies. Source: "Lambda proxy integrations in API Gateway" and "Gateway response types".
 */
export function createGateway(deps: GatewayDeps): (req: IncomingMessage, res: ServerResponse) => Promise<void> {
  const route = createRouter(deps.api.methods);
  return async (req, res) => {
    const requestId = randomUUID();
    res.setHeader('x-amzn-RequestId', requestId);
    try {
      const body = await readBody(req, limits.api_body_bytes_max);
      const [rawPath = '', query = ''] = splitOnce(req.url ?? '/', '?');
      const [, stageName = '', path = '/'] = /^\/([^/]*)(\/.*)?$/.exec(rawPath) ?? [];
      const stage = deps.api.stages.find(({ name }) => name === stageName);
      if (stage === undefined) throw new Refused(gatewayErrors.unknownStage);
      if (headerBytes(req) > limits.api_header_bytes_max) throw new Refused(gatewayErrors.headersTooLarge);
      const match = route(req.method ?? '', path);
      if (match === undefined) throw new Refused(gatewayErrors.noMethod);
      if (body === undefined) throw new Refused(gatewayErrors.bodyTooLarge);
      const caller = authorize(req, match.method, body.sha256, `${stageName}/${req.method}${path}`, deps);
      const nowMs = deps.clock.nowMs();
      const routed = { req, body: body.bytes, requestId, nowMs, stage, path, query, match, caller };
      sendReply(req, res, await integrate(routed, deps), deps.api.binaryMediaTypes);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      sendGatewayError(res, error.error);
    }
  };
}

/** The key that signed the request, if the method asks for one; a session policy must allow the call. */
function authorize(
  req: IncomingMessage,
  method: MethodModel,
  payloadHash: string,
  path: string,
  { api, account, region, keys, clock }: GatewayDeps,
): AccessKey | undefined {
  if (method.authorization === 'NONE') return undefined;
  const request = { method: req.method ?? '', rawPath: req.url ?? '', headers: req.headers };
  const verified = verifySigV4(request, { keys, service: 'execute-api', region, nowMs: clock.nowMs(), payloadHash });
  if ('error' in verified) {
    const { status, code, message } = verified.error;
    throw new Refused({ status, type: code, message });
  }
  const { key } = verified;
  const resource = `arn:aws:execute-api:${region}:${account}:${api.id}/${path}`;
  if (!isAllowed(key.policy, { action: 'execute-api:Invoke', resource })) {
    const message = `User: ${key.arn} is not authorized to perform: execute-api:Invoke on resource: ${resource}`;
    throw new Refused({ status: 403, type: 'AccessDeniedException', message });
  }
  return key;
}

/** Runs the method's function; as on AWS, it runs on when the gateway stops waiting for it. */
async function integrate(request: RoutedRequest, { api, account, clock, lambda }: GatewayDeps) {
  const { functionArn, timeoutMs } = request.match.method;
  const timedOut = Promise.withResolvers<never>();
  const cancel = clock.schedule(timeoutMs, () => timedOut.reject(new Refused(gatewayErrors.timedOut)));
  try {
    const event = JSON.stringify(proxyEvent(api, account, request));
    const { payload, functionError } = await Promise.race([lambda.invoke(functionArn, event), timedOut.promise]);
    const reply = functionError === undefined ? parseReply(payload) : undefined;
    if (reply === undefined) throw new Refused(gatewayErrors.functionFailed);
    return reply;
  } catch (error) {
    if (!(error instanceof ServiceError)) throw error;
    throw new Refused(error.status === 413 ? gatewayErrors.bodyTooLarge : gatewayErrors.invokeRefused);
  } finally {
    cancel();
  }
}

function splitOnce(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}

const headerBytes = (req: IncomingMessage): number => req.rawHeaders.reduce((sum, part) => sum + part.length, 0);
