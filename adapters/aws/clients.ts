import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { EventBridgeClient } from '@aws-sdk/client-eventbridge';
import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';
import { SFNClient } from '@aws-sdk/client-sfn';
import { STSClient } from '@aws-sdk/client-sts';
import { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';
import { limits } from '../../core/limits.ts';

export interface AwsClients {
  readonly s3: S3Client;
  readonly dynamo: DynamoDBDocumentClient;
  readonly sfn: SFNClient;
  readonly sts: STSClient;
  readonly events: EventBridgeClient;
}

/** The clients of a process: region, credentials and endpoints (AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_S3 …) are the environment's. */
export function createClients(): AwsClients {
  return {
    s3: createS3Client(),
    dynamo: createDocumentClient(new DynamoDBClient()),
    sfn: new SFNClient(),
    sts: new STSClient(),
    events: new EventBridgeClient(),
  };
}

export function createDocumentClient(client: DynamoDBClient): DynamoDBDocumentClient {
  return DynamoDBDocumentClient.from(client, { marshallOptions: { removeUndefinedValues: true } });
}

/** Where S3 is, if not at AWS's own address. */
export function objectEndpoint(env: Readonly<Record<string, string | undefined>> = process.env): string | undefined {
  return env.AWS_ENDPOINT_URL_S3 ?? env.AWS_ENDPOINT_URL;
}

/**
 * An S3 client for large bodies. It tries once: who uses it decides on retries, bodies included. Buckets are named in the path where S3 is elsewhere than at AWS. No `Expect: 100-continue`: the SDK
 * opens a connection of its own for each request that has it. Answers are not checksummed: what we read proves itself.
 */
export function createS3Client(config: S3ClientConfig = {}): S3Client {
  const endpoint = config.endpoint ?? objectEndpoint();
  return new S3Client({
    maxAttempts: 1,
    forcePathStyle: endpoint !== undefined,
    responseChecksumValidation: 'WHEN_REQUIRED',
    expectContinueHeader: false,
    requestHandler: { connectionTimeout: limits.http_timeout_ms, socketTimeout: limits.object_timeout_ms },
    logger: { trace() {}, debug() {}, info() {}, warn() {}, error() {} },
    ...config,
  });
}
