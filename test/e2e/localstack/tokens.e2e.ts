import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  CreateStateMachineCommand,
  DescribeExecutionCommand,
  SFNClient,
  StartExecutionCommand,
} from '@aws-sdk/client-sfn';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Stage } from '../stage.ts';

/** What the workflow asks of task tokens, on LocalStack's own Step Functions, with a function that answers before it returns. */
const HEARTBEAT_SECONDS = 20;
const ROLE = 'arn:aws:iam::000000000000:role/any';

/** Beats, then fails the token of its first call, and succeeds with all the tokens that it was given; all before it returns. */
const SOURCE = `
const tokens = [];
export const handler = async ({ token }) => {
  tokens.push(token);
  await ask('SendTaskHeartbeat', { taskToken: token });
  if (tokens.length === 1) await ask('SendTaskFailure', { taskToken: token, error: 'Again', cause: 'the first time' });
  else await ask('SendTaskSuccess', { taskToken: token, output: JSON.stringify({ tokens }) });
};

async function ask(operation, input) {
  const headers = {
    'content-type': 'application/x-amz-json-1.0',
    'x-amz-target': 'AWSStepFunctions.' + operation,
    authorization: 'AWS4-HMAC-SHA256 Credential=test/20300101/us-east-1/states/aws4_request, SignedHeaders=host, Signature=0',
  };
  const answer = await fetch(process.env.AWS_ENDPOINT_URL, { method: 'POST', headers, body: JSON.stringify(input) });
  if (!answer.ok) throw new Error(await answer.text());
}`;

let folder: string;
let endpoint: string;
let states: SFNClient;

beforeAll(async () => {
  const stage = await Stage.open();
  await stage.close();
  endpoint = new URL(stage.cloud.api_url).origin;
  folder = await mkdtemp(path.join(tmpdir(), 'layermover-tokens-'));
  states = new SFNClient({
    endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
  });
});
afterAll(async () => {
  states.destroy();
  await rm(folder, { recursive: true });
});

async function createFunction(name: string): Promise<void> {
  await writeFile(path.join(folder, 'index.mjs'), SOURCE);
  execFileSync('python3', ['-m', 'zipfile', '-c', 'code.zip', 'index.mjs'], { cwd: folder });
  const body = JSON.stringify({
    FunctionName: name,
    Runtime: 'nodejs24.x',
    Handler: 'index.handler',
    Role: ROLE,
    Timeout: 20,
    Code: { ZipFile: (await readFile(path.join(folder, 'code.zip'))).toString('base64') },
  });
  const answer = await fetch(`${endpoint}/2015-03-31/functions`, { method: 'POST', body });
  expect(answer.status, await answer.clone().text()).toBe(201);
  for (;;) {
    const told = await fetch(`${endpoint}/2015-03-31/functions/${name}`);
    const { Configuration } = (await told.json()) as { Configuration: { State: string } };
    if (Configuration.State === 'Active') return;
    await sleep(200);
  }
}

it('what is told before the function returns counts, and a retry has a token of its own', async () => {
  const name = `tokens-${randomUUID()}`;
  await createFunction(name);
  const definition = {
    StartAt: 'Ask',
    States: {
      Ask: {
        Type: 'Task',
        Resource: 'arn:aws:states:::lambda:invoke.waitForTaskToken',
        Parameters: { FunctionName: name, Payload: { 'token.$': '$$.Task.Token' } },
        HeartbeatSeconds: HEARTBEAT_SECONDS,
        Retry: [{ ErrorEquals: ['Again'], IntervalSeconds: 1, MaxAttempts: 2 }],
        End: true,
      },
    },
  };
  const machine = { name, definition: JSON.stringify(definition), roleArn: ROLE };
  const { stateMachineArn } = await states.send(new CreateStateMachineCommand(machine));
  const { executionArn } = await states.send(new StartExecutionCommand({ stateMachineArn, input: '{}' }));
  for (;;) {
    const execution = await states.send(new DescribeExecutionCommand({ executionArn }));
    if (execution.status === 'RUNNING') {
      await sleep(200);
      continue;
    }
    expect(execution).toMatchObject({ status: 'SUCCEEDED' });
    const { tokens } = JSON.parse(execution.output!) as { tokens: string[] };
    expect([tokens.length, new Set(tokens).size]).toEqual([2, 2]);
    return;
  }
});
