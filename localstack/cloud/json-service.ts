import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { isAllowed } from '../identity/policy.ts';
import { admit, type Guard, type Refusal } from './admit.ts';
import type { ServiceHandler } from './front.ts';

/** An answer of a JSON protocol: HTTP status and body. */
export interface JsonAnswer {
  readonly status: number;
  readonly body: unknown;
}

/** Runs an operation (`GetItem`) on its parsed input; what it throws with code, message and status is answered, too. */
export type JsonCall = (operation: string, input: unknown) => Promise<JsonAnswer>;

/** Serves a service of the AWS JSON 1.0 and 1.1 protocols. */
export function jsonService(service: string, guard: Guard, call: JsonCall): ServiceHandler {
  return async (req, res) => {
    const { status, body } = await answer(req, service, guard, call);
    const text = JSON.stringify(body ?? {});
    res.setHeader('x-amzn-RequestId', randomUUID());
    res.setHeader('Content-Type', req.headers['content-type'] ?? 'application/x-amz-json-1.0');
    res.writeHead(status, { 'Content-Length': Buffer.byteLength(text) }).end(text);
  };
}

async function answer(req: IncomingMessage, service: string, guard: Guard, call: JsonCall): Promise<JsonAnswer> {
  const admitted = await admit(req, service, guard);
  if ('error' in admitted) return refuse(admitted.error);
  const operation = String(req.headers['x-amz-target'] ?? '').replace(/^.*\./, '');
  const action = `${service}:${operation}`;
  if (!isAllowed(admitted.key.policy, { action, resource: '*' })) {
    const message = `User: ${admitted.key.arn} is not authorized to perform: ${action}`;
    return refuse({ code: 'AccessDeniedException', message, status: 400 });
  }
  try {
    return await call(operation, JSON.parse(admitted.text));
  } catch (error) {
    if (isRefusal(error)) return refuse(error);
    if (error instanceof SyntaxError)
      return refuse({ code: 'SerializationException', message: error.message, status: 400 });
    throw error;
  }
}

const refuse = ({ code, message, status }: Refusal): JsonAnswer => ({ status, body: { __type: code, message } });

function isRefusal(error: unknown): error is Refusal & Error {
  if (!(error instanceof Error) || !('code' in error) || !('status' in error)) return false;
  return typeof error.code === 'string' && typeof error.status === 'number';
}
