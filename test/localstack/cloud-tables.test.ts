import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { systemClock } from '../../localstack/clock.ts';
import { type Dynamo, ensureTables, openDynamo } from '../../localstack/dynamodb/dynamodb.ts';

const dir = mkdtempSync(join(tmpdir(), 'cloud-tables-'));
const table = {
  TableName: 'rows',
  KeySchema: [{ AttributeName: 'id', KeyType: 'HASH' }],
  AttributeDefinitions: [{ AttributeName: 'id', AttributeType: 'S' }],
};
const Key = { id: { S: 'a' } };
let dynamo: Dynamo;

beforeAll(async () => {
  dynamo = await openDynamo({ dir, account: '000000000000', region: 'eu-west-1' });
  await ensureTables(dynamo, [table], systemClock);
});
afterAll(async () => {
  await dynamo.close();
  rmSync(dir, { recursive: true });
});

it('a table takes requests as soon as it is there, under the ARN of its place', async () => {
  const { body } = await dynamo.call('DescribeTable', { TableName: 'rows' });
  expect(body).toMatchObject({
    Table: { TableStatus: 'ACTIVE', TableArn: 'arn:aws:dynamodb:eu-west-1:000000000000:table/rows' },
  });
});

it('a conditional write happens once', async () => {
  const put = { TableName: 'rows', Item: { ...Key, n: { N: '1' } }, ConditionExpression: 'attribute_not_exists(id)' };
  const answers = await Promise.all([dynamo.call('PutItem', put), dynamo.call('PutItem', put)]);
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 400]);
  expect(answers.find(({ status }) => status === 400)?.body).toMatchObject({
    __type: expect.stringContaining('ConditionalCheckFailedException'),
  });
});

it.each([
  ['no input', 'GetItem', null, 'SerializationException'],
  ['a number', 'GetItem', 1, 'SerializationException'],
  ['a table that is not there', 'GetItem', { TableName: 'none', Key }, 'ResourceNotFoundException'],
  ['a key of the wrong type', 'GetItem', { TableName: 'rows', Key: { id: { N: '1' } } }, 'ValidationException'],
  ['what is not emulated', 'TransactWriteItems', { TransactItems: [] }, 'UnknownOperationException'],
])('%s is refused', async (_, operation, input, type) => {
  const { status, body } = await dynamo.call(operation, input);
  expect(status).toBe(400);
  expect((body as { __type: string }).__type).toContain(type);
});
