import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { GetCommand } from '@aws-sdk/lib-dynamodb';
import { afterEach, expect, it } from 'vitest';
import { createClients, createDocumentClient } from '../../adapters/aws/clients.ts';
import { watchThrottles } from '../../adapters/aws/throttles.ts';

let server: Server;
afterEach(() => server.close());

/** A table's service that answers each of `names` with that error, and then with nothing found. */
async function service(...names: string[]): Promise<string> {
  server = createServer((request, response) => {
    request.resume();
    const name = names.shift();
    const status = name === 'InternalServerError' ? 500 : 400;
    response.writeHead(name === undefined ? 200 : status, { 'content-type': 'application/x-amz-json-1.0' });
    response.end(JSON.stringify(name === undefined ? {} : { __type: `com.amazonaws.dynamodb.v20120810#${name}` }));
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

it('each refusal of what comes too fast is told, and the request is made again', async () => {
  const endpoint = await service(
    'ProvisionedThroughputExceededException',
    'ThrottlingException',
    'InternalServerError',
  );
  const credentials = { accessKeyId: 'a', secretAccessKey: 'b' };
  const client = new DynamoDBClient({ endpoint, region: 'eu-central-1', credentials, maxAttempts: 4 });
  const clients = { ...createClients(), dynamo: createDocumentClient(client) };
  const told: string[] = [];
  watchThrottles(clients, (command) => told.push(command));
  const { Item } = await clients.dynamo.send(new GetCommand({ TableName: 't', Key: { pk: 'x' } }));
  expect(Item).toBeUndefined();
  expect(told).toEqual(['GetItemCommand', 'GetItemCommand']);
  client.destroy();
});
