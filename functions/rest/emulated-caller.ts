import type { APIGatewayProxyEvent } from 'aws-lambda';
import { EMULATED_CALLERS } from '../settings.ts';
import type { RestHandler } from './handler.ts';

const KEY_ID = /^AWS4-HMAC-SHA256 Credential=([\w-]{1,128})\//;

/**
 * A handler for emulators whose gateway tells nobody's ARN, switched on by EMULATED_CALLERS: who signed is then whoever the
 * Authorization header names by an access key id, which such an emulator has not checked. An ARN that the gateway does
 * tell is kept. Without the setting, and so on AWS, the handler is as it was.
 */
export function emulatingCallers(handler: RestHandler, env: Readonly<Record<string, string | undefined>>): RestHandler {
  if (env[EMULATED_CALLERS] !== '1') return handler;
  return (event) => {
    const { identity } = event.requestContext;
    const userArn = identity.userArn ?? arnOfKey(event);
    return handler({ ...event, requestContext: { ...event.requestContext, identity: { ...identity, userArn } } });
  };
}

/** A user named like the key; null if there is none. */
function arnOfKey({ headers, requestContext }: APIGatewayProxyEvent): string | null {
  const header = Object.entries(headers ?? {}).find(([name]) => name.toLowerCase() === 'authorization')?.[1];
  const key = KEY_ID.exec(header ?? '')?.[1];
  return key === undefined ? null : `arn:aws:iam::${requestContext.accountId}:user/${key}`;
}
