import { fork } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DynamoDBClient, PutItemCommand, QueryCommand } from '@aws-sdk/client-dynamodb';
import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, afterEach, beforeEach, expect, it } from 'vitest';
import { type Cloud, type CloudOptions, startCloud } from '../../localstack/cloud.ts';
import { signedFetch } from '../signed-fetch.ts';
import { functionResource, type Resources, writeAssembly } from './fixture/assembly.ts';

const dir = mkdtempSync(join(tmpdir(), 'cloud-life-'));
const apiProperties = { RestApiId: { Ref: 'Api' } };
const resources: Resources = {
  Packs: { Type: 'AWS::S3::Bucket', Properties: { BucketName: 'packs' } },
  Rows: {
    Type: 'AWS::DynamoDB::Table',
    Properties: {
      TableName: 'rows',
      KeySchema: [{ AttributeName: 'id', KeyType: 'HASH' }],
      AttributeDefinitions: [
        { AttributeName: 'id', AttributeType: 'S' },
        { AttributeName: 'colour', AttributeType: 'S' },
      ],
      GlobalSecondaryIndexes: [
        {
          IndexName: 'by-colour',
          KeySchema: [{ AttributeName: 'colour', KeyType: 'HASH' }],
          Projection: { ProjectionType: 'ALL' },
        },
      ],
    },
  },
  Run: functionResource({ Timeout: 60 }),
  Api: { Type: 'AWS::ApiGateway::RestApi' },
  Path: {
    Type: 'AWS::ApiGateway::Resource',
    Properties: { ...apiProperties, ParentId: { 'Fn::GetAtt': ['Api', 'RootResourceId'] }, PathPart: '{act}' },
  },
  Method: {
    Type: 'AWS::ApiGateway::Method',
    Properties: {
      ...apiProperties,
      ResourceId: { Ref: 'Path' },
      HttpMethod: 'ANY',
      AuthorizationType: 'AWS_IAM',
      Integration: {
        Type: 'AWS_PROXY',
        Uri: { 'Fn::Sub': 'arn:aws:apigateway:x:lambda:path/2015-03-31/functions/$' + '{Run.Arn}/invocations' },
      },
    },
  },
  Stage: { Type: 'AWS::ApiGateway::Stage', Properties: { ...apiProperties, StageName: 'v1' } },
};
const source = `export const handler = async ({ pathParameters: { act } }) => {
  for (; act === 'spin'; );
  return { body: act };
};`;
const assemblyDir = writeAssembly(join(dir, 'cdk.out'), { resources, source });
const dataDir = join(dir, 'data');
let cloud: Cloud;

const start = (options: Partial<CloudOptions> = {}) => startCloud({ assemblyDir, dataDir, ...options });
const clientOptions = () => ({
  endpoint: cloud.endpoints.s3,
  region: cloud.region,
  credentials: { ...cloud.operator },
});

beforeEach(async () => {
  cloud = await start();
});
afterEach(() => cloud.stop());
afterAll(() => rmSync(dir, { recursive: true }));

/** The addresses on which this machine listens on a port, from the kernel's own table. */
function listeningAddresses(port: number): string[] {
  const LISTEN = '0A';
  return ['/proc/net/tcp', '/proc/net/tcp6']
    .flatMap((table) => readFileSync(table, 'utf8').trim().split('\n').slice(1))
    .map((line) => line.trim().split(/\s+/))
    .filter(([, local, , state]) => state === LISTEN && Number.parseInt(local!.split(':')[1]!, 16) === port)
    .map(([, local]) => Buffer.from(local!.split(':')[0]!, 'hex').reverse().join('.'));
}

it('listens on the loopback interface only', () => {
  expect(listeningAddresses(Number(new URL(cloud.apiUrl).port))).toEqual(['127.0.0.1']);
});

it('lets only one cloud into a data directory', async () => {
  await expect(start()).rejects.toMatchObject({ code: 'DATA_DIR_IN_USE', hint: expect.stringContaining('another') });
  expect((await signedFetch(cloud.operator, `${cloud.apiUrl}/still`)).status).toBe(200);
});

it('does not disturb another one with its own data', async () => {
  const other = await start({ dataDir: join(dir, 'other') });
  try {
    expect(other.apiUrl).not.toBe(cloud.apiUrl);
    expect(other.operator.accessKeyId).not.toBe(cloud.operator.accessKeyId);
    expect((await signedFetch(cloud.operator, `${other.apiUrl}/x`)).status).toBe(403);
    expect((await signedFetch(other.operator, `${other.apiUrl}/x`)).status).toBe(200);
  } finally {
    await other.stop();
  }
  expect((await signedFetch(cloud.operator, `${cloud.apiUrl}/x`)).status).toBe(200);
});

it('keeps keys, port, rows and objects over a restart', async () => {
  const before = cloud;
  await new S3Client(clientOptions()).send(new PutObjectCommand({ Bucket: 'packs', Key: 'a/b', Body: 'kept' }));
  const Item = { id: { S: 'one' }, colour: { S: 'red' } };
  await new DynamoDBClient(clientOptions()).send(new PutItemCommand({ TableName: 'rows', Item }));
  await cloud.stop();
  await expect(fetch(before.apiUrl)).rejects.toThrow();

  cloud = await start();
  expect(cloud.apiUrl).toBe(before.apiUrl);
  expect(cloud.operator).toEqual(before.operator);
  expect(statSync(join(dataDir, 'keys.json')).mode & 0o777).toBe(0o600);
  const { Body } = await new S3Client(clientOptions()).send(new GetObjectCommand({ Bucket: 'packs', Key: 'a/b' }));
  expect(await Body!.transformToString()).toBe('kept');
  const query = new QueryCommand({
    TableName: 'rows',
    IndexName: 'by-colour',
    KeyConditionExpression: 'colour = :c',
    ExpressionAttributeValues: { ':c': { S: 'red' } },
  });
  expect((await new DynamoDBClient(clientOptions()).send(query)).Items).toEqual([Item]);
});

it('stops within 2 s with requests in flight, and twice is once', async () => {
  const inFlight = signedFetch(cloud.operator, `${cloud.apiUrl}/spin`).then(
    ({ status }) => status,
    () => 'cut',
  );
  await signedFetch(cloud.operator, `${cloud.apiUrl}/other`);
  const startMs = performance.now();
  await Promise.all([cloud.stop(), cloud.stop()]);
  expect(performance.now() - startMs).toBeLessThan(2000);
  expect(await inFlight).toBe('cut');
});

it('takes another port when its own is taken, unless it was asked for by number', async () => {
  const port = Number(new URL(cloud.apiUrl).port);
  await cloud.stop();
  const squatter = createServer();
  await new Promise<void>((resolve) => {
    squatter.listen(port, '127.0.0.1', resolve);
  });
  await expect(start({ port })).rejects.toMatchObject({ code: 'PORT_IN_USE' });
  cloud = await start();
  expect(Number(new URL(cloud.apiUrl).port)).not.toBe(port);
  squatter.close();
});

it('starts again where another process was killed', async () => {
  const killed = join(dir, 'killed');
  const child = fork(join(import.meta.dirname, 'fixture/cloud-process.ts'), [assemblyDir, killed], { execArgv: [] });
  const url = await new Promise((resolve) => child.once('message', resolve));
  await expect(start({ dataDir: killed })).rejects.toMatchObject({ code: 'DATA_DIR_IN_USE' });
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await gone;
  const successor = await start({ dataDir: killed });
  await successor.stop();
  expect(successor.apiUrl).toBe(url);
});

it('refuses a table whose keys have changed', async () => {
  await cloud.stop();
  const Properties = {
    ...(resources.Rows!.Properties as object),
    KeySchema: [{ AttributeName: 'colour', KeyType: 'HASH' }],
  };
  const changed = { ...resources, Rows: { Type: 'AWS::DynamoDB::Table', Properties } };
  const otherAssembly = writeAssembly(join(dir, 'changed'), { resources: changed, source });
  await expect(start({ assemblyDir: otherAssembly })).rejects.toMatchObject({ code: 'TABLE_CHANGED' });
  cloud = await start();
});

it('begins nothing for a resource type that is neither emulated nor ignored', async () => {
  const unknown = { ...resources, Extra: { Type: 'AWS::EC2::Instance' } };
  const refused = writeAssembly(join(dir, 'refused'), { resources: unknown, source });
  const unused = join(dir, 'unused');
  await expect(start({ assemblyDir: refused, dataDir: unused })).rejects.toMatchObject({
    code: 'RESOURCE_UNSUPPORTED',
    message: 'Extra is a AWS::EC2::Instance, which the embedded cloud does not know',
  });
  expect(() => statSync(unused)).toThrow('ENOENT');
});
