import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { createGateway } from '../../localstack/api/gateway.ts';
import { isBinary } from '../../localstack/api/media-types.ts';
import { createRouter } from '../../localstack/api/routes.ts';
import type { ApiModel, MethodModel } from '../../localstack/assembly/model.ts';
import { type Clock, systemClock } from '../../localstack/clock.ts';
import { ServiceError } from '../../localstack/errors.ts';
import { KeyStore } from '../../localstack/identity/keys.ts';
import type { Lambda } from '../../localstack/lambda/lambda.ts';

const method = (httpMethod: string, resourcePath: string): MethodModel => ({
  httpMethod,
  resourcePath,
  resourceId: 'r',
  authorization: 'NONE',
  functionArn: 'f',
  timeoutMs: 29_000,
});

describe('the router', () => {
  const route = createRouter([
    method('GET', '/'),
    method('GET', '/items'),
    method('ANY', '/items/{id}'),
    method('GET', '/items/list'),
    method('POST', '/items/{id}/parts/{part}'),
    method('GET', '/files/{path+}'),
    method('ANY', '/{rest+}'),
  ]);

  it.each([
    ['GET', '/', '/', {}],
    ['GET', '', '/', {}],
    ['GET', '/items', '/items', {}],
    ['GET', '/items/', '/items', {}],
    ['GET', '/items/list', '/items/list', {}],
    ['DELETE', '/items/7', '/items/{id}', { id: '7' }],
    ['GET', '/items/a%2Fb', '/items/{id}', { id: 'a%2Fb' }],
    ['POST', '/items/7/parts/2', '/items/{id}/parts/{part}', { id: '7', part: '2' }],
    ['POST', '/items/list/parts/2', '/items/{id}/parts/{part}', { id: 'list', part: '2' }],
    ['GET', '/files/a/b/c', '/files/{path+}', { path: 'a/b/c' }],
    ['PUT', '/else/where', '/{rest+}', { rest: 'else/where' }],
    ['GET', '/items/7/none', '/{rest+}', { rest: 'items/7/none' }],
  ])('leads %s %s to %s', (httpMethod, path, resourcePath, parameters) => {
    const match = route(httpMethod, path);
    expect([match?.method.resourcePath, match?.parameters]).toEqual([resourcePath, parameters]);
  });

  it.each([
    ['POST', '/items'],
    ['DELETE', '/items/list'],
    ['GET', '/items/7/parts/2'],
    ['GET', '//items'],
  ])('leads %s %s nowhere', (httpMethod, path) => {
    expect(route(httpMethod, path)).toBeUndefined();
  });
});

it.each([
  [['application/octet-stream'], 'application/octet-stream', true],
  [['application/octet-stream'], 'Application/Octet-Stream; charset=x', true],
  [['application/octet-stream'], 'application/octet-stream, text/plain', true],
  [['application/octet-stream'], 'text/plain, application/octet-stream', false],
  [['application/octet-stream'], '*/*', false],
  [['image/*'], 'image/png', true],
  [['*/*'], 'text/plain', true],
  [[], 'application/octet-stream', false],
  [['application/octet-stream'], undefined, false],
])('binary media types %j and %s: %s', (binaryMediaTypes, mediaType, expected) => {
  expect(isBinary(binaryMediaTypes, mediaType)).toBe(expected);
});

describe('the gateway', () => {
  let server: Server | undefined;
  afterEach(() => server?.close());

  /** GETs /prod/x of an API whose function is `invoke`. */
  async function get(invoke: Lambda['invoke'], clock: Clock = systemClock): Promise<Response> {
    const api: ApiModel = {
      id: 'api',
      stages: [{ name: 'prod', variables: { colour: 'red' } }],
      binaryMediaTypes: [],
      methods: [method('GET', '/x')],
    };
    const deps = { api, account: '000000000000', region: 'us-east-1', keys: new KeyStore(clock), clock };
    const handle = createGateway({ ...deps, lambda: { invoke, stop: async () => {} } });
    server = createServer((req, res) => void handle(req, res));
    await new Promise<void>((resolve) => {
      server?.listen(0, '127.0.0.1', resolve);
    });
    return fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/prod/x`);
  }
  const reply = (value: unknown) => async () => ({ payload: JSON.stringify(value) });

  it('waits 29 s for a function, then answers 504', async () => {
    let waitedMs = 0;
    const fast: Clock = {
      nowMs: () => 0,
      schedule: (delayMs, action) => {
        waitedMs = delayMs;
        setImmediate(action);
        return () => {};
      },
    };
    const response = await get(() => new Promise(() => {}), fast);
    expect([response.status, await response.json()]).toEqual([504, { message: 'Endpoint request timed out' }]);
    expect(waitedMs).toBe(29_000);
  });

  it.each([
    ['too many calls', new ServiceError('TooManyRequestsException', 'Rate Exceeded.', 429), 500],
    ['too large an event', new ServiceError('RequestEntityTooLargeException', 'too large', 413), 413],
  ])('answers for Lambda when it refuses %s', async (_, error, status) => {
    const response = await get(() => Promise.reject(error));
    expect(response.status).toBe(status);
  });

  it('passes status, headers and cookies of a reply', async () => {
    const response = await get(
      reply({
        statusCode: 201,
        headers: { 'X-One': '1', 'Content-Type': 'text/plain', 'Content-Length': '99' },
        multiValueHeaders: { 'Set-Cookie': ['a=1', 'b=2'] },
        body: 'grün',
      }),
    );
    expect(response.status).toBe(201);
    expect(response.headers.get('x-one')).toBe('1');
    expect(response.headers.get('content-length')).toBe('5');
    expect(response.headers.getSetCookie()).toEqual(['a=1', 'b=2']);
    expect(await response.text()).toBe('grün');
  });

  it.each([
    ['no object', 'text'],
    ['a field that is not of the format', { statusCode: 200, bodyText: 'x' }],
    ['a body that is no text', { statusCode: 200, body: { a: 1 } }],
    ['a status that is none', { statusCode: 7 }],
  ])('answers 502 to a reply with %s', async (_, value) => {
    const response = await get(reply(value));
    expect([response.status, await response.json()]).toEqual([502, { message: 'Internal server error' }]);
  });

  it('gives the function its stage variables and no body where there is none', async () => {
    let event: Record<string, unknown> = {};
    await get(async (_, payload) => {
      event = JSON.parse(payload);
      return { payload: '{}' };
    });
    expect(event).toMatchObject({
      stageVariables: { colour: 'red' },
      body: null,
      isBase64Encoded: false,
      queryStringParameters: null,
      pathParameters: null,
      requestContext: { identity: { userArn: null } },
    });
  });
});
