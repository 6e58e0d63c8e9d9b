import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DynamoDBClient, GetItemCommand } from '@aws-sdk/client-dynamodb';
import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { DescribeExecutionCommand, SFNClient } from '@aws-sdk/client-sfn';
import { AssumeRoleCommand, STSClient } from '@aws-sdk/client-sts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Cloud, startCloud } from '../../localstack/cloud.ts';
import type { AccessKey } from '../../localstack/identity/keys.ts';
import { limits } from '../../localstack/limits.ts';
import { type Call, signedFetch } from '../signed-fetch.ts';
import { synthesize } from './fixture/app.ts';

const dir = mkdtempSync(join(tmpdir(), 'cloud-'));
const dataDir = join(dir, 'data');
let cloud: Cloud;

const call = (path: string, options?: Call, key: AccessKey = cloud.operator) =>
  signedFetch(key, `${cloud.apiUrl}${path}`, options);
const clientOptions = () => ({
  endpoint: cloud.endpoints.s3,
  region: cloud.region,
  credentials: { ...cloud.operator },
});

beforeAll(async () => {
  const assemblyDir = synthesize(dir);
  const startMs = performance.now();
  cloud = await startCloud({ assemblyDir, dataDir });
  expect(performance.now() - startMs).toBeLessThan(3000);
});
afterAll(async () => {
  await cloud?.stop();
  rmSync(dir, { recursive: true });
});

describe('a request through the API', () => {
  it('reaches table, bucket and workflow, and ends a token task', async () => {
    const created = await call('/items/a1', { method: 'POST', body: '{"size":1}' });
    expect(created.status).toBe(202);
    const { executionArn } = (await created.json()) as { executionArn: string };
    await expect
      .poll(async () => ((await (await call('/items/a1')).json()) as { token?: string }).token, { timeout: 10_000 })
      .toBeDefined();
    expect(await (await call('/items/a1')).json()).toMatchObject({ body: '{"size":1}', status: 'RUNNING' });
    expect((await call('/items/a1/done', { method: 'POST' })).status).toBe(200);
    const sfn = new SFNClient(clientOptions());
    await expect
      .poll(async () => (await sfn.send(new DescribeExecutionCommand({ executionArn }))).status, { timeout: 10_000 })
      .toBe('SUCCEEDED');
    const { output } = await sfn.send(new DescribeExecutionCommand({ executionArn }));
    expect(JSON.parse(output!)).toEqual({ finished: 'a1' });
  });

  it('becomes a proxy event of format 1.0', async () => {
    const path = '/do/event/a%2Fb?one=1&two=2%203';
    const response = await call(path, { method: 'POST', headers: { 'X-Colour': 'Red' }, body: 'text' });
    const { event, ...context } = (await response.json()) as { event: Record<string, unknown> };
    expect(event).toMatchObject({
      resource: '/do/{proxy+}',
      path: '/do/event/a%2Fb',
      httpMethod: 'POST',
      pathParameters: { proxy: 'event/a%2Fb' },
      queryStringParameters: { one: '1', two: '2 3' },
      multiValueQueryStringParameters: { one: ['1'], two: ['2 3'] },
      body: 'text',
      isBase64Encoded: false,
      requestContext: {
        stage: 'prod',
        path: '/prod/do/event/a%2Fb',
        identity: {
          userArn: 'arn:aws:iam::000000000000:user/operator',
          accessKey: cloud.operator.accessKeyId,
          accountId: '000000000000',
          sourceIp: '127.0.0.1',
        },
      },
    });
    const headers = event.headers as Record<string, string>;
    expect(headers['X-Colour'] ?? headers['x-colour']).toBe('Red');
    expect(Object.keys(headers).map((name) => name.toLowerCase())).not.toContain('authorization');
    expect((event.requestContext as { requestId: string }).requestId).toBe(response.headers.get('x-amzn-requestid'));
    expect(context).toMatchObject({ remaining: expect.any(Number), name: expect.stringContaining('Front') });
  });

  it('carries bytes both ways where the API calls the media type binary, and text where not', async () => {
    const bytes = randomBytes(300_000);
    const type = 'application/octet-stream';
    const binary = await call('/do/echo', {
      method: 'POST',
      headers: { 'content-type': type, accept: type },
      body: bytes,
    });
    expect(binary.headers.get('content-type')).toBe(type);
    expect(Buffer.from(await binary.arrayBuffer()).equals(bytes)).toBe(true);
    const undecoded = await call('/do/echo', { method: 'POST', headers: { 'content-type': type }, body: bytes });
    expect(await undecoded.text()).toBe(bytes.toString('base64'));
    const text = await call('/do/echo', { method: 'POST', headers: { 'content-type': 'text/plain' }, body: 'grün' });
    expect(await text.text()).toBe('grün');
  });

  it('finds its function by the most specific path', async () => {
    const resource = async (path: string) => ((await (await call(path)).json()) as { resource: string }).resource;
    expect(await resource('/items/list')).toBe('/items/list');
    expect(await resource('/open/')).toBe('/open');
  });

  it('acts in the function with the role of the function', async () => {
    const who = (await (await call('/do/who')).json()) as { Arn: string };
    expect(who.Arn).toMatch(/^arn:aws:sts::000000000000:assumed-role\/Fixture-FrontServiceRole.*\/Fixture-Front/);
    const published = (await (await call('/do/publish')).json()) as { FailedEntryCount: number };
    expect(published.FailedEntryCount).toBe(0);
  });
});

describe('the cloud refuses', () => {
  const refused = async (response: Response | Promise<Response>) => {
    const { status, headers } = await response;
    const body = (await (await response).json()) as { message: string };
    return [status, headers.get('x-amzn-errortype'), body.message] as const;
  };

  it('a request without a signature, but not where none is asked for', async () => {
    expect(await refused(fetch(`${cloud.apiUrl}/items/list`))).toEqual([
      403,
      'MissingAuthenticationTokenException',
      'Missing Authentication Token',
    ]);
    expect((await fetch(`${cloud.apiUrl}/open`)).status).toBe(200);
  });

  it('a wrong secret, an unknown key and a body that was not signed', async () => {
    const forged = { ...cloud.operator, secretAccessKey: 'guess' };
    expect((await refused(call('/items/list', {}, forged)))[0]).toBe(403);
    const unknown = { ...cloud.operator, accessKeyId: 'AKIAAAAAAAAAAAAAAAAA' };
    expect((await refused(call('/items/list', {}, unknown))).slice(0, 2)).toEqual([403, 'UnrecognizedClientException']);
    const swapped = { method: 'POST', body: 'signed', sentBody: 'forged' };
    expect((await refused(call('/items/x1', swapped))).slice(0, 2)).toEqual([403, 'InvalidSignatureException']);
  });

  it('a session whose policy does not let it call', async () => {
    const sts = new STSClient(clientOptions());
    const { Credentials } = await sts.send(
      new AssumeRoleCommand({
        RoleArn: cloud.outputs.AgentRole!,
        RoleSessionName: 'h1',
        Policy: JSON.stringify({ Statement: [{ Effect: 'Allow', Action: 's3:GetObject', Resource: '*' }] }),
      }),
    );
    const session = {
      ...cloud.operator,
      accessKeyId: Credentials!.AccessKeyId!,
      secretAccessKey: Credentials!.SecretAccessKey!,
      sessionToken: Credentials!.SessionToken!,
    };
    const [status, type, message] = await refused(call('/items/list', {}, session));
    expect([status, type]).toEqual([403, 'AccessDeniedException']);
    expect(message).toMatch(/assumed-role\/Fixture-Agent\w+\/h1 is not authorized to perform: execute-api:Invoke/);
  });

  it('a role that no template declares', async () => {
    const command = new AssumeRoleCommand({ RoleArn: 'arn:aws:iam::000000000000:role/Admin', RoleSessionName: 'h1' });
    await expect(new STSClient(clientOptions()).send(command)).rejects.toMatchObject({ name: 'AccessDenied' });
  });

  it.each([
    ['/nowhere', 'GET'],
    ['/items', 'GET'],
    ['/items/a/b', 'GET'],
    ['/items/list', 'DELETE'],
  ])('what it has no method for: %s %s', async (path, method) => {
    expect((await refused(call(path, { method }))).slice(0, 2)).toEqual([403, 'MissingAuthenticationTokenException']);
  });

  it('a stage that it has not', async () => {
    const url = cloud.apiUrl.replace('/prod', '/test');
    expect(await refused(signedFetch(cloud.operator, `${url}/items/list`))).toEqual([
      403,
      'ForbiddenException',
      'Forbidden',
    ]);
  });

  it('a body over 10 MB, and one over 6 MB that no function takes', async () => {
    for (const bytes of [limits.api_body_bytes_max + 1, limits.lambda_payload_bytes_max]) {
      const response = call('/do/echo', { method: 'POST', body: Buffer.alloc(bytes, 'x') });
      expect(await refused(response)).toEqual([413, 'RequestTooLargeException', 'Request Too Long']);
    }
  });

  it('headers over 10 kB', async () => {
    const response = call('/open', { headers: { 'x-long': 'x'.repeat(limits.api_header_bytes_max) } });
    expect((await refused(response))[0]).toBe(431);
  });
});

describe('a function that misbehaves', () => {
  it.each(['sleep', 'exit', 'crash', 'fail', 'huge', 'nonsense'])(
    'by %s is a 502, and the next call is served',
    async (act) => {
      const response = await call(`/do/${act}`);
      expect(response.status).toBe(502);
      expect(await response.json()).toEqual({ message: 'Internal server error' });
      expect((await call('/items/list')).status).toBe(200);
    },
  );

  it('has its output in a log file', async () => {
    await call('/do/print?text=plainly');
    const name = readdirSync(join(dataDir, 'logs')).find((file) => file.includes('Front'))!;
    await expect.poll(() => readFileSync(join(dataDir, 'logs', name), 'utf8')).toContain('printed plainly');
  });
});

describe('the cloud', () => {
  it('resolves the outputs of the stack, its API address to itself', () => {
    expect(cloud.outputs).toMatchObject({
      BucketName: expect.stringMatching(/^fixture-objects/),
      MachineArn: expect.stringMatching(/^arn:aws:states:us-east-1:000000000000:stateMachine:/),
    });
    expect(Object.values(cloud.outputs)).toContain(`${cloud.apiUrl}/`);
  });

  it('refuses a service that it has not', async () => {
    const authorization =
      'AWS4-HMAC-SHA256 Credential=AKIA/20260101/us-east-1/sqs/aws4_request, SignedHeaders=host, Signature=0';
    const response = await fetch(cloud.endpoints.s3, { method: 'POST', headers: { authorization } });
    expect(response.status).toBe(501);
    expect(await response.json()).toMatchObject({ message: 'The embedded cloud has no sqs' });
  });

  it('checks signatures on tables', async () => {
    const forged = new DynamoDBClient({
      ...clientOptions(),
      credentials: { ...cloud.operator, secretAccessKey: 'guess' },
    });
    const get = new GetItemCommand({ TableName: cloud.outputs.TableName!, Key: { id: { S: 'a1' } } });
    await expect(forged.send(get)).rejects.toMatchObject({ name: 'InvalidSignatureException' });
  });

  it('takes objects from clients that ask before they send', async () => {
    const s3 = new S3Client(clientOptions());
    const Body = randomBytes(3 * 1024 * 1024);
    const object = { Bucket: cloud.outputs.BucketName!, Key: 'large' };
    await s3.send(new PutObjectCommand({ ...object, Body }));
    const { Body: found } = await s3.send(new GetObjectCommand(object));
    expect(Body.equals(await found!.transformToByteArray())).toBe(true);
  });
});
