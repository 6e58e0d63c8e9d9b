import type { Output } from '@aws-sdk/client-cloudformation';
import { LayerMoverError } from '../core/errors.ts';
import type { CloudFile } from './connection.ts';

/**
 * How to reach a stack, as its outputs in CloudFormation tell it; asked for with the credentials and in the region that AWS's
 * own tools find. Errors: STACK_UNKNOWN, CREDENTIALS_MISSING, REGION_MISSING.
 */
export async function connectionOfStack(name: string, region?: string): Promise<Omit<CloudFile, 'namespace'>> {
  const { CloudFormationClient, DescribeStacksCommand } = await import('@aws-sdk/client-cloudformation');
  const client = new CloudFormationClient(region === undefined ? {} : { region });
  try {
    const { Stacks = [] } = await client.send(new DescribeStacksCommand({ StackName: name }));
    return cloudOf(name, Stacks[0]?.Outputs ?? [], await client.config.region());
  } catch (error) {
    throw told(error, name);
  } finally {
    client.destroy();
  }
}

function cloudOf(name: string, outputs: readonly Output[], region: string): Omit<CloudFile, 'namespace'> {
  const output = (key: string) => outputs.find(({ OutputKey }) => OutputKey === key)?.OutputValue;
  const [url, bus, bucket, refused_queue] = ['ApiUrl', 'BusName', 'BucketName', 'RefusedQueueUrl'].map(output);
  if (url === undefined) throw unknown(name, 'it has no output ApiUrl');
  const endpoint = process.env.AWS_ENDPOINT_URL;
  const at = endpoint === undefined ? {} : { endpoint };
  return {
    api_url: reachable(url.replace(/\/$/, ''), endpoint),
    region,
    ...(bus === undefined || bucket === undefined ? {} : { services: { ...at, bus, bucket, refused_queue } }),
  };
}

/** An emulator's stack may name a host that only its own DNS knows: then the path in its place leads to the same API. */
function reachable(url: string, endpoint: string | undefined): string {
  const [, api, stage] = /^https?:\/\/([a-z0-9]+)\.execute-api\.[^/]+\/([^/]+)$/.exec(url) ?? [];
  if (endpoint === undefined || api === undefined || url.includes('.amazonaws.com')) return url;
  return `${endpoint.replace(/\/$/, '')}/_aws/execute-api/${api}/${stage}`;
}

function told(error: unknown, stack: string): unknown {
  const { name, message } = error as Error;
  if (name === 'ValidationError') return unknown(stack, message, error);
  if (name === 'CredentialsProviderError') {
    return new LayerMoverError('CREDENTIALS_MISSING', 'there are no AWS credentials to ask CloudFormation with', {
      hint: 'set AWS_PROFILE, or run this where a role is',
      cause: error,
    });
  }
  if (message === 'Region is missing')
    return new LayerMoverError('REGION_MISSING', 'nothing tells the region of the stack', {
      hint: 'say --region, or set AWS_REGION',
      cause: error,
    });
  return error;
}

function unknown(stack: string, why: string, cause?: unknown): LayerMoverError {
  return new LayerMoverError('STACK_UNKNOWN', `there is no stack of LayerMover named ${stack}: ${why}`, {
    hint: 'look at account, region and name: `aws cloudformation list-stacks`',
    data: { stack },
    cause,
  });
}
