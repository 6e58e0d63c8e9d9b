import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import {
  AssumeRoleCommand,
  type AssumeRoleCommandInput,
  GetCallerIdentityCommand,
  STSClient,
} from '@aws-sdk/client-sts';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type AccessKey, KeyStore } from '../../localstack/identity/keys.ts';
import { isAllowed } from '../../localstack/identity/policy.ts';
import { verifySigV4 } from '../../localstack/identity/sigv4.ts';
import { handleSts, stsErrorAnswer } from '../../localstack/identity/sts.ts';

const region = 'eu-central-1';
const RoleArn = 'arn:aws:iam::123456789012:role/service/host';
const clock = { nowMs: () => Date.now() };
const keys = new KeyStore(clock);
const root = keys.issue({ arn: 'arn:aws:iam::123456789012:user/root' });
let server: Server;

beforeAll(async () => {
  server = createServer(async (req, res) => {
    const body = await text(req);
    const payloadHash = createHash('sha256').update(body).digest('hex');
    const request = { method: req.method ?? '', rawPath: req.url ?? '', headers: req.headers };
    const verdict = verifySigV4(request, { keys, service: 'sts', region, nowMs: clock.nowMs(), payloadHash });
    const answer = 'error' in verdict ? stsErrorAnswer(verdict.error) : handleSts({ body, caller: verdict.key, keys });
    res.writeHead(answer.status, { 'content-type': answer.contentType }).end(answer.body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

function client({ accessKeyId, secretAccessKey, sessionToken }: AccessKey = root): STSClient {
  const credentials = { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) };
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return new STSClient({ endpoint, region, credentials, maxAttempts: 1 });
}

const assume = (input: Partial<AssumeRoleCommandInput> = {}, as?: AccessKey) =>
  client(as).send(new AssumeRoleCommand({ RoleArn, RoleSessionName: 'task-1', ...input }));
const sessionOf = async (input: Partial<AssumeRoleCommandInput> = {}) =>
  keys.find((await assume(input)).Credentials?.AccessKeyId ?? '') as AccessKey;

it('tells a caller who he is', async () => {
  const identity = await client().send(new GetCallerIdentityCommand({}));
  expect(identity).toMatchObject({ Arn: root.arn, Account: '123456789012', UserId: root.accessKeyId });
  await expect(client({ ...root, secretAccessKey: 'x' }).send(new GetCallerIdentityCommand({}))).rejects.toMatchObject({
    name: 'SignatureDoesNotMatch',
  });
});

it('gives session credentials that work, confined by their policy and time', async () => {
  const Policy = JSON.stringify({ Statement: { Effect: 'Allow', Action: 's3:GetObject', Resource: 'a/*' } });
  const before = Date.now();
  const { Credentials, AssumedRoleUser } = await assume({ Policy, DurationSeconds: 900 });
  const Arn = 'arn:aws:sts::123456789012:assumed-role/host/task-1';
  expect(AssumedRoleUser).toMatchObject({ Arn, AssumedRoleId: expect.stringMatching(/^AROA\w{16}:task-1$/) });
  const lifeMs = (Credentials?.Expiration?.getTime() ?? 0) - before;
  expect(lifeMs).toBeGreaterThanOrEqual(900_000);
  expect(lifeMs).toBeLessThan(910_000);
  const session = keys.find(Credentials?.AccessKeyId ?? '') as AccessKey;
  expect(session).toMatchObject({
    secretAccessKey: Credentials?.SecretAccessKey,
    sessionToken: Credentials?.SessionToken,
    account: '123456789012',
  });
  expect(await client(session).send(new GetCallerIdentityCommand({}))).toMatchObject({ Arn });
  expect(isAllowed(session.policy, { action: 's3:GetObject', resource: 'a/1' })).toBe(true);
  expect(isAllowed(session.policy, { action: 's3:PutObject', resource: 'a/1' })).toBe(false);
  await expect(assume({}, session)).rejects.toMatchObject({ name: 'AccessDenied' });
});

it('lives an hour unless told otherwise, and an hour at most if one role assumes another', async () => {
  const session = await sessionOf();
  expect((session.expiresAtMs ?? 0) - Date.now()).toBeGreaterThan(3_500_000);
  await assume({ DurationSeconds: 3_600 }, session);
  await expect(assume({ DurationSeconds: 3_601 }, session)).rejects.toMatchObject({ name: 'ValidationError' });
  await assume({ DurationSeconds: 43_200 });
});

it('refuses what is out of bounds or not known, by name', async () => {
  const cases: [input: Partial<AssumeRoleCommandInput>, name: string, message: string][] = [
    [{ DurationSeconds: 899 }, 'ValidationError', 'DurationSeconds'],
    [{ DurationSeconds: 43_201 }, 'ValidationError', 'DurationSeconds'],
    [{ RoleArn: 'arn:aws:iam::123456789012:user/x' }, 'ValidationError', 'RoleArn'],
    [{ RoleSessionName: 'with space' }, 'ValidationError', 'RoleSessionName'],
    [{ Tags: [{ Key: 'a', Value: 'b' }] }, 'ValidationError', 'Tags'],
    [{ Policy: '{' }, 'MalformedPolicyDocumentException', 'JSON'],
    [{ Policy: '{"Statement":{"Effect":"Allow","NotAction":"a"}}' }, 'MalformedPolicyDocumentException', 'NotAction'],
    [{ Policy: ' '.repeat(2_049) }, 'PackedPolicyTooLargeException', '2048'],
  ];
  for (const [input, name, message] of cases) {
    await expect(assume(input)).rejects.toMatchObject({ name, message: expect.stringContaining(message) });
  }
  for (const body of ['', 'Action=GetSessionToken&Version=2011-06-15', 'Action=constructor&Version=2011-06-15']) {
    expect(handleSts({ body, caller: root, keys })).toMatchObject({
      status: 400,
      body: expect.stringContaining('InvalidAction'),
    });
  }
});
