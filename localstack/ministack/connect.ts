import { readFileSync } from 'node:fs';

/**
 * Prints the cloud file of a stack on MiniStack: `node connect.ts OUTPUTS ENDPOINT`, with what `cdk deploy --outputs-file` wrote and
 * the root's key from the environment. The stack's own URL is AWS's; the path in its place leads to the same API.
 */
const [outputsFile = '', endpoint = ''] = process.argv.slice(2);
const outputs = JSON.parse(readFileSync(outputsFile, 'utf8')) as Record<string, { readonly ApiUrl?: string }>;
const api = /^https:\/\/([a-z0-9]+)\.execute-api\.([^.]+)\.[^/]+\/([^/]+)\/?$/.exec(
  Object.values(outputs)[0]?.ApiUrl ?? '',
);
if (api === null) throw new Error(`${outputsFile} names no API`);
const { AWS_ACCESS_KEY_ID: access_key_id, AWS_SECRET_ACCESS_KEY: secret_access_key } = process.env;
const cloud = {
  api_url: `${endpoint}/_aws/execute-api/${api[1]}/${api[3]}`,
  region: api[2],
  credentials: { access_key_id, secret_access_key },
};
process.stdout.write(`${JSON.stringify(cloud, null, 2)}\n`);
