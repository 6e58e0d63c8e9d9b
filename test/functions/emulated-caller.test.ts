import { describe, expect, it } from 'vitest';
import { emulatingCallers } from '../../functions/rest/emulated-caller.ts';
import type { RestHandler } from '../../functions/rest/handler.ts';
import { EMULATED_CALLERS } from '../../functions/settings.ts';
import { ACCOUNT, eventOf, userArn } from './support/event.ts';

/** Answers whom the gateway, or what stands in for it, took for the caller. */
const whoami: RestHandler = async ({ requestContext }) => ({
  statusCode: 200,
  body: String(requestContext.identity.userArn),
});
const signature = (key: string) =>
  `AWS4-HMAC-SHA256 Credential=${key}/20300101/us-east-1/execute-api/aws4_request, SignedHeaders=host, Signature=00`;

async function callerIn(env: Record<string, string>, caller: string | null, authorization?: string) {
  const event = eventOf('listHosts', { caller, headers: authorization === undefined ? {} : { authorization } });
  event.requestContext.accountId = ACCOUNT;
  return (await emulatingCallers(whoami, env)(event)).body;
}

describe('a gateway that tells no ARN', () => {
  const emulated = { [EMULATED_CALLERS]: '1' };

  it('has callers named by their keys, if the setting says so', async () => {
    expect(await callerIn(emulated, null, signature('host-a-h1'))).toBe(userArn('host-a-h1'));
    expect(await callerIn(emulated, null, signature('AKIA2'))).toBe(userArn('AKIA2'));
  });

  it.each([
    ['no header', undefined],
    ['another scheme', 'Bearer Credential=host-a-h1/'],
    ['a key that is none', signature('a$b')],
  ])('has nobody with %s', async (_, authorization) => {
    expect(await callerIn(emulated, null, authorization)).toBe('null');
  });

  it('has nobody at all without the setting: the handler is the one that was given', async () => {
    expect(emulatingCallers(whoami, {})).toBe(whoami);
    expect(emulatingCallers(whoami, { [EMULATED_CALLERS]: '' })).toBe(whoami);
    expect(await callerIn({}, null, signature('host-a-h1'))).toBe('null');
  });

  it('gives way to an ARN that is told', async () => {
    expect(await callerIn(emulated, userArn('real'), signature('other'))).toBe(userArn('real'));
  });
});
