import { readFileSync } from 'node:fs';

/**
 * Prints the cloud file of a stack on LocalStack: `node connect.ts OUTPUTS ENDPOINT`, with what `cdk deploy --outputs-file`
 * wrote. The stack's own URL names a host that only LocalStack's DNS knows; the path in its place leads to the same API.
 */
const [outputsFile = '', endpoint = ''] = process.argv.slice(2);
const outputs = JSON.parse(readFileSync(outputsFile, 'utf8')) as Record<string, Record<string, string>>;
const [{ ApiUrl = '', BusName: bus, BucketName: bucket, RefusedQueueUrl: refused_queue } = {}] = Object.values(outputs);
const api = /^https?:\/\/([a-z0-9]+)\.execute-api\.[^/]+\/([^/]+)\/?$/.exec(ApiUrl);
if (api === null || bus === undefined || bucket === undefined)
  throw new Error(`${outputsFile} names no API, bus and bucket of LocalStack`);
const cloud = {
  api_url: `${endpoint}/_aws/execute-api/${api[1]}/${api[2]}`,
  region: 'us-east-1',
  credentials: { access_key_id: 'test', secret_access_key: 'test' },
  services: { endpoint, bus, bucket, refused_queue },
};
process.stdout.write(`${JSON.stringify(cloud, null, 2)}\n`);
