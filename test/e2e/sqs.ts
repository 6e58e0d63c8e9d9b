import type { CloudFile } from '../../bin/connection.ts';
import { signedFetch } from '../signed-fetch.ts';
import { keyOf, servicesOf } from './services.ts';

const RECEIVE_MAX = 10;
/** How long a message that is nobody's here stays out of sight of its owner. */
const HIDDEN_SECONDS = 10;

export interface Message {
  readonly body: string;
  readonly handle: string;
}

/** Calls SQS in its JSON protocol; the product itself has no client of it. */
export async function callSqs(cloud: CloudFile, operation: string, input: object): Promise<Record<string, unknown>> {
  const { region } = cloud;
  const url = servicesOf(cloud).endpoint ?? `https://sqs.${region}.amazonaws.com`;
  const answer = await signedFetch(await keyOf(cloud), `${url}/`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-amz-json-1.0', 'x-amz-target': `AmazonSQS.${operation}` },
    body: JSON.stringify(input),
    region,
    service: 'sqs',
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`SQS answers ${operation} with ${answer.status}: ${text}`);
  return text === '' ? {} : (JSON.parse(text) as Record<string, unknown>);
}

/** Messages of a queue that are there now, some of them at least. */
export async function receive(cloud: CloudFile, queue: string): Promise<Message[]> {
  const input = {
    QueueUrl: queue,
    MaxNumberOfMessages: RECEIVE_MAX,
    VisibilityTimeout: HIDDEN_SECONDS,
    WaitTimeSeconds: 1,
  };
  const { Messages = [] } = (await callSqs(cloud, 'ReceiveMessage', input)) as {
    Messages?: { Body: string; ReceiptHandle: string }[];
  };
  return Messages.map(({ Body, ReceiptHandle }) => ({ body: Body, handle: ReceiptHandle }));
}

export async function remove(cloud: CloudFile, queue: string, { handle }: Message): Promise<void> {
  await callSqs(cloud, 'DeleteMessage', { QueueUrl: queue, ReceiptHandle: handle });
}
