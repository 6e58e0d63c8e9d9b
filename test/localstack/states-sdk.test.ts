import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { EventBridgeClient, PutEventsCommand } from '@aws-sdk/client-eventbridge';
import {
  DescribeExecutionCommand,
  DescribeStateMachineCommand,
  GetExecutionHistoryCommand,
  ListExecutionsCommand,
  SendTaskFailureCommand,
  SendTaskHeartbeatCommand,
  SendTaskSuccessCommand,
  SFNClient,
  StartExecutionCommand,
  StopExecutionCommand,
} from '@aws-sdk/client-sfn';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { TestEvents } from './events-bus.ts';
import { SimulatedClock, single, TestCloud, withToken } from './states-cloud.ts';

const stateMachineArn = 'arn:aws:states:eu-central-1:000000000000:stateMachine:mover';
const tokens: string[] = [];
const seen: { target: string; contentType: string }[] = [];
let cloud: TestCloud;
let bus: TestEvents;
let close: () => Promise<unknown>;
let sfn: SFNClient;
let eventBridge: EventBridgeClient;

/** The least front that an SDK client needs: the target in a header, JSON in the body, an error's code in `__type`. */
beforeEach(async () => {
  tokens.length = 0;
  seen.length = 0;
  cloud = new TestCloud(single(withToken('keep', { HeartbeatSeconds: 60 })), {
    functions: { keep: ({ token }: { token: string }) => void tokens.push(token) },
  });
  bus = new TestEvents(new SimulatedClock());
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const [service, target] = String(request.headers['x-amz-target']).split('.') as [string, string];
    seen.push({ target: `${service}.${target}`, contentType: String(request.headers['content-type']) });
    const body: unknown = JSON.parse(Buffer.concat(chunks).toString());
    const answer = service === 'AWSEvents' ? bus.events.call(target, body) : cloud.states.call(target, body);
    const [status, reply] = await answer.then(
      (result) => [200, result] as const,
      ({ status, code, message }) => [status as number, { __type: code, message }] as const,
    );
    response.writeHead(status, { 'content-type': 'application/x-amz-json-1.0' }).end(JSON.stringify(reply));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const config = {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    region: 'eu-central-1',
    credentials: { accessKeyId: 'key', secretAccessKey: 'secret' },
    maxAttempts: 1,
  };
  sfn = new SFNClient(config);
  eventBridge = new EventBridgeClient(config);
  close = () => {
    sfn.destroy();
    eventBridge.destroy();
    bus.remove();
    return new Promise((resolve) => server.close(resolve));
  };
});
afterEach(() => close());

test('the real client speaks to the emulator, in AWS JSON 1.0', async () => {
  const started = await sfn.send(new StartExecutionCommand({ stateMachineArn, name: 'one', input: '{"a":1}' }));
  expect(started.startDate).toEqual(new Date(cloud.clock.nowMs()));
  const { executionArn } = started;
  await cloud.clock.advance(0);
  await sfn.send(new SendTaskHeartbeatCommand({ taskToken: tokens[0] }));
  await sfn.send(new SendTaskSuccessCommand({ taskToken: tokens[0], output: '{"ok":true}' }));
  expect(await sfn.send(new DescribeExecutionCommand({ executionArn }))).toMatchObject({
    status: 'SUCCEEDED',
    output: '{"ok":true}',
    stopDate: new Date(cloud.clock.nowMs()),
  });
  const history = await sfn.send(new GetExecutionHistoryCommand({ executionArn }));
  expect(history.events?.[2]).toMatchObject({
    id: 3,
    type: 'TaskScheduled',
    timestamp: new Date(cloud.clock.nowMs()),
    taskScheduledEventDetails: { resourceType: 'lambda', heartbeatInSeconds: 60 },
  });
  expect(history.events?.[5]?.taskSucceededEventDetails?.output).toBe('{"ok":true}');
  const listed = await sfn.send(new ListExecutionsCommand({ stateMachineArn }));
  expect(listed.executions?.map(({ name, status }) => [name, status])).toEqual([['one', 'SUCCEEDED']]);
  const machine = await sfn.send(new DescribeStateMachineCommand({ stateMachineArn }));
  expect(machine).toMatchObject({ name: 'mover', creationDate: new Date(cloud.clock.nowMs()) });
  expect(new Set(seen.map(({ contentType }) => contentType))).toEqual(new Set(['application/x-amz-json-1.0']));
  expect(seen[0]?.target).toBe('AWSStepFunctions.StartExecution');
});

test('its errors arrive under their names', async () => {
  const { executionArn } = await sfn.send(new StartExecutionCommand({ stateMachineArn, name: 'one' }));
  await cloud.clock.advance(0);
  await sfn.send(new SendTaskFailureCommand({ taskToken: tokens[0], error: 'Gone', cause: 'why' }));
  expect(await sfn.send(new DescribeExecutionCommand({ executionArn }))).toMatchObject({ error: 'Gone', cause: 'why' });
  await expect(sfn.send(new SendTaskHeartbeatCommand({ taskToken: tokens[0] }))).rejects.toMatchObject({
    name: 'TaskTimedOut',
    $metadata: { httpStatusCode: 400 },
  });
  await expect(sfn.send(new SendTaskHeartbeatCommand({ taskToken: 'x' }))).rejects.toMatchObject({
    name: 'InvalidToken',
  });
  await expect(sfn.send(new StopExecutionCommand({ executionArn: 'x' }))).rejects.toMatchObject({
    name: 'ExecutionDoesNotExist',
  });
});

test('EventBridge, in AWS JSON 1.1', async () => {
  const Time = new Date('2030-05-06T07:08:09Z');
  const sent = await eventBridge.send(
    new PutEventsCommand({
      Entries: [
        { Time, Source: 'layermover', DetailType: 'done', Detail: '{"vm":"web"}', EventBusName: 'main' },
        { Source: 'layermover', DetailType: 'done', Detail: '{}', EventBusName: 'elsewhere' },
      ],
    }),
  );
  expect(sent.FailedEntryCount).toBe(1);
  expect(sent.Entries?.[1]?.ErrorCode).toBe('ResourceNotFoundException');
  expect(bus.logged()).toEqual([
    { bus: 'main', event: expect.objectContaining({ id: sent.Entries?.[0]?.EventId, time: '2030-05-06T07:08:09Z' }) },
  ]);
  expect(seen).toEqual([{ target: 'AWSEvents.PutEvents', contentType: 'application/x-amz-json-1.1' }]);
});
