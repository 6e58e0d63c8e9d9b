import { DynamoDBClient, GetItemCommand, PutItemCommand, ScanCommand } from '@aws-sdk/client-dynamodb';
import { EventBridgeClient, PutEventsCommand } from '@aws-sdk/client-eventbridge';
import { GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { SFNClient, StartExecutionCommand } from '@aws-sdk/client-sfn';
import { AssumeRoleCommand, STSClient } from '@aws-sdk/client-sts';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createS3Client } from '../../../adapters/aws/clients.ts';
import { IamStage } from './stage.ts';

/** What the functions' own roles may do, asked as each function: the account's root lets itself in for that. */
let iam: IamStage;
/** Everything that the stack has, by the variable that names it to a function. */
const names: Record<string, string> = {};

const PURPOSES = {
  hosts: 'enrolment and polls of agents',
  tasks: 'what agents say of their tasks',
  fingerprints: 'batches of fingerprints against the index',
  migrations: 'what users ask of migrations, and commits',
  layers: 'what the store has',
  requests: 'migrations that events ask for',
  steps: 'the workflow’s own steps',
} as const;
type Name = keyof typeof PURPOSES;

beforeAll(async () => {
  iam = await IamStage.open();
  for (const purpose of Object.values(PURPOSES)) {
    const { Role, Environment } = await iam.account.functionFor(purpose);
    Object.assign(names, Environment.Variables);
    await iam.account.openRole(Role);
  }
  const s3 = createS3Client({ endpoint: iam.account.endpoint, region: iam.account.region, credentials: iam.root });
  await s3.send(new PutObjectCommand({ Bucket: names.BUCKET_NAME!, Key: OBJECT, Body: 'x' }));
  s3.destroy();
});
afterAll(() => iam.close());

/** What comes of a call that the role of a function makes: `ok`, or the refusal's name. */
const CALLS = {
  read: ({ dynamo }) => dynamo.send(new GetItemCommand({ TableName: names.TABLE_HOSTS!, Key: KEY })),
  write: ({ dynamo }) => dynamo.send(new PutItemCommand({ TableName: names.TABLE_HOSTS!, Item: KEY })),
  scan: ({ dynamo }) => dynamo.send(new ScanCommand({ TableName: names.TABLE_INDEX!, Limit: 1 })),
  own: ({ dynamo }) => dynamo.send(new GetItemCommand({ TableName: names.TABLE_VMS!, Key: { pk: { S: 'x' } } })),
  put: ({ s3 }) => s3.send(new PutObjectCommand({ Bucket: names.BUCKET_NAME!, Key: 'ns/x/packs/aa/x', Body: 'x' })),
  get: ({ s3 }) => s3.send(new GetObjectCommand({ Bucket: names.BUCKET_NAME!, Key: OBJECT })),
  start: ({ states }) =>
    states.send(new StartExecutionCommand({ stateMachineArn: names.STATE_MACHINE_ARN!, name: 'x-1', input: '{' })),
  emit: ({ events }) =>
    events.send(
      new PutEventsCommand({
        Entries: [{ EventBusName: names.BUS_NAME!, Source: 'x', DetailType: 'x', Detail: '{}' }],
      }),
    ),
  become: ({ sts }) => sts.send(new AssumeRoleCommand({ RoleArn: names.AGENT_ROLE_ARN!, RoleSessionName: 'agent' })),
} satisfies Record<string, (clients: Clients) => Promise<unknown>>;
type Ability = keyof typeof CALLS;

const OBJECT = 'ns/x/packs/aa/there';
const KEY = { pk: { S: 'roles' }, sk: { S: 'roles' } };

type Clients = Awaited<ReturnType<typeof clientsOf>>;

async function clientsOf(name: Name) {
  const { Role } = await iam.account.functionFor(PURPOSES[name]);
  const config = {
    endpoint: iam.account.endpoint,
    region: iam.account.region,
    credentials: await iam.account.session(Role, name),
  };
  return {
    dynamo: new DynamoDBClient(config),
    s3: createS3Client(config),
    states: new SFNClient(config),
    events: new EventBridgeClient(config),
    sts: new STSClient(config),
  };
}

const REFUSED = ['AccessDenied', 'AccessDeniedException'];

/** By the grants of functions/settings.ts and infra/rights.ts. An input that is none is no refusal. */
const MAY: Readonly<Record<Name, readonly Ability[]>> = {
  hosts: ['read', 'write'],
  tasks: ['read', 'own', 'get', 'become'],
  fingerprints: ['read', 'get'],
  migrations: ['read', 'own', 'start', 'emit'],
  layers: ['read'],
  requests: ['read', 'own', 'start', 'emit'],
  steps: ['read', 'own', 'emit'],
};

it.each(Object.keys(MAY) as Name[])('%s may do what it does, and nothing else', async (name) => {
  const clients = await clientsOf(name);
  const able: Ability[] = [];
  for (const [ability, ask] of Object.entries(CALLS) as [Ability, (clients: Clients) => Promise<unknown>][]) {
    const refused = await ask(clients).then(
      () => false,
      (error: Error) => REFUSED.includes(error.name),
    );
    if (!refused) able.push(ability);
  }
  for (const client of Object.values(clients)) client.destroy();
  expect(able).toEqual(MAY[name]);
});
