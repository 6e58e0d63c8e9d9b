import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { connectionOfStack } from '../../bin/stack.ts';
import { call } from './command.ts';

/** CloudFormation as far as it is asked here, and the API of the one stack that it knows. */
let server: Server;
let url: string;
let folder: string;
let apiUrl: string;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'layermover-stack-'));
  server = createServer(async (request, response) => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    if (request.method === 'GET') return void response.end('{"hosts":[]}');
    const name = new URLSearchParams(Buffer.concat(parts).toString()).get('StackName');
    response.writeHead(name === 'Mine' ? 200 : 400, { 'content-type': 'text/xml' });
    response.end(name === 'Mine' ? described() : refused(name));
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(async () => {
  server.close();
  await rm(folder, { recursive: true });
});
beforeEach(() => {
  apiUrl = 'https://ab12.execute-api.eu-central-1.amazonaws.com/v1/';
});

function described(): string {
  const outputs = {
    ApiUrl: apiUrl,
    BusName: 'the-bus',
    BucketName: 'the-bucket',
    RefusedQueueUrl: 'https://sqs.example/refused',
  };
  const members = Object.entries(outputs).map(
    ([key, value]) => `<member><OutputKey>${key}</OutputKey><OutputValue>${value}</OutputValue></member>`,
  );
  return `<DescribeStacksResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/"><DescribeStacksResult><Stacks><member>
    <StackName>Mine</StackName><StackStatus>CREATE_COMPLETE</StackStatus><CreationTime>2026-01-01T00:00:00Z</CreationTime>
    <Outputs>${members.join('')}</Outputs></member></Stacks></DescribeStacksResult></DescribeStacksResponse>`;
}

const refused = (name: string | null) =>
  `<ErrorResponse><Error><Type>Sender</Type><Code>ValidationError</Code><Message>Stack with id ${name} does not exist</Message></Error></ErrorResponse>`;

let before: NodeJS.ProcessEnv;
beforeEach(() => {
  before = process.env;
  const credentials = { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test' };
  process.env = { ...before, ...credentials, AWS_ENDPOINT_URL: url, AWS_REGION: 'eu-central-1' };
});
afterEach(() => {
  process.env = before;
});

describe('a stack', () => {
  it('tells by its outputs where its API, bus and bucket are', async () => {
    expect(await connectionOfStack('Mine')).toEqual({
      api_url: 'https://ab12.execute-api.eu-central-1.amazonaws.com/v1',
      region: 'eu-central-1',
      services: { endpoint: url, bus: 'the-bus', bucket: 'the-bucket', refused_queue: 'https://sqs.example/refused' },
    });
    expect(await connectionOfStack('Mine', 'us-east-1')).toMatchObject({ region: 'us-east-1' });
  });

  it('of an emulator is reached by a path where only its own DNS knows the host', async () => {
    apiUrl = 'https://ab12.execute-api.localhost.localstack.cloud:4566/v1/';
    expect(await connectionOfStack('Mine')).toMatchObject({ api_url: `${url}/_aws/execute-api/ab12/v1` });
  });

  it('that there is not is told', async () => {
    await expect(connectionOfStack('Theirs')).rejects.toMatchObject({
      code: 'STACK_UNKNOWN',
      message: expect.stringContaining('does not exist'),
    });
  });
});

it('the command writes a cloud file without a key', async () => {
  apiUrl = 'https://ab12.execute-api.localhost.localstack.cloud:4566/v1/';
  const file = path.join(folder, 'cloud.json');
  const outcome = await call('cloud', 'connect', '--stack', 'Mine', '--out', file);
  expect(outcome).toMatchObject({ code: 0, stdout: `${file}\n` });
  const written = await readFile(file, 'utf8');
  expect(written).not.toMatch(/key/i);
  expect(JSON.parse(written)).toMatchObject({ namespace: 'default', services: { bucket: 'the-bucket' } });
});

it.each([
  [['cloud', 'connect'], 2, 'either --stack'],
  [['cloud', 'connect', 'https://a.example/v1', '--stack', 'Mine'], 2, 'either --stack'],
  [['cloud', 'connect', '--stack', 'Theirs'], 4, 'STACK_UNKNOWN'],
])('%j is refused', async (words, code, told) => {
  const outcome = await call(...words, '--json');
  expect(outcome.code).toBe(code);
  expect(outcome.stdout).toContain(told);
});
