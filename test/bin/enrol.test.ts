import { readdirSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { apiPlace, hostPolicy } from '../../bin/enrol/policy.ts';
import { type Route, routes } from '../../core/api/routes.ts';
import { CannedApi } from './api.ts';
import { call } from './command.ts';

const URL_ON_AWS = 'https://abc123.execute-api.eu-central-1.amazonaws.com/v1';
const ARN = 'arn:aws:iam::123456789012:role/hosts/h1';

let api: CannedApi;
beforeAll(async () => {
  api = await CannedApi.open();
});
afterAll(() => api.close());

it('the place of an API is told by its URL, in every partition; a domain of one’s own tells nothing', () => {
  expect(apiPlace(URL_ON_AWS)).toEqual({ partition: 'aws', region: 'eu-central-1', api: 'abc123', stage: 'v1' });
  const partition = (url: string) => apiPlace(url)?.partition;
  expect(partition('https://a1.execute-api.us-gov-west-1.amazonaws.com/v1/')).toBe('aws-us-gov');
  expect(partition('https://a1.execute-api.cn-north-1.amazonaws.com.cn/v1')).toBe('aws-cn');
  expect(apiPlace('https://mover.example.org/v1')).toBeUndefined();
});

it('the policy has the calls of one host’s agent, and none of another’s, of users or of operators', () => {
  const [statement, ...others] = hostPolicy('a/h1', apiPlace(URL_ON_AWS)!).Statement;
  expect(others).toEqual([]);
  const base = 'arn:aws:execute-api:eu-central-1:*:abc123/v1';
  const allows = (method: string, target: string) =>
    statement!.Resource.some((each) =>
      new RegExp(`^${each.replace(/[.*]/g, (c) => (c === '*' ? '.*' : '\\.'))}$`).test(
        `${base.replace('*', '123456789012')}/${method}${target}`,
      ),
    );
  const task = `/tasks/m${'0'.repeat(20)}.cutover.web-1`;
  for (const target of [
    '/hosts/a/h1/poll',
    `${task}/report`,
    `${task}/grant`,
    '/fingerprints',
    '/migrations/m1/commit',
  ])
    expect(allows('POST', target), target).toBe(true);
  expect(allows('PUT', '/hosts/a/h1')).toBe(true);
  expect(allows('GET', '/migrations/m1')).toBe(true);
  for (const [method, target] of [
    ['PUT', '/hosts/a/h2'],
    ['PUT', '/hosts/a/h1/identity'],
    ['POST', '/hosts/a/h2/poll'],
    ['POST', '/migrations'],
    ['POST', '/migrations/m1/abort'],
    ['POST', '/migrations/m1/resume'],
    ['POST', '/index/rebuild'],
    ['GET', '/hosts'],
    ['GET', '/layers'],
    ['POST', '/registrations'],
    ['POST', `/layers/${'a'.repeat(64)}/withdraw`],
    ['GET', '/migrations'],
  ] as const)
    expect(allows(method, target), `${method} ${target}`).toBe(false);
});

it('every call that the agent makes is in the table as one of its own', () => {
  const agent = Object.entries<Route>(routes).filter(([, { by }]) => by !== undefined);
  expect(agent.map(([name]) => name).toSorted()).toEqual(callsOfAgent());
});

it('binds the host and prints policy, cloud file and command; the key of the operator is not in it', async () => {
  const words = ['host', 'enrol', '--site', 'a', '--host', 'h1', '--cloud', api.cloudFile];
  const bound = await call(...words, '--identity', ARN, '--api', URL_ON_AWS, '--json');
  expect(bound.code, bound.stderr).toBe(0);
  expect(api.asked).toContain('PUT /v1/hosts/a/h1/identity');
  const [enrolled] = bound.lines();
  expect(enrolled).toMatchObject({ message_type: 'enrolled', host: 'a/h1', identity: expect.stringContaining('h1') });
  expect(JSON.stringify(enrolled)).not.toContain('secret');
  expect(JSON.stringify(enrolled)).toContain('abc123/v1/POST/hosts/a/h1/poll');

  const before = api.asked.length;
  const printed = await call(...words);
  expect([printed.code, api.asked.length]).toEqual([0, before]);
  expect(printed.stdout).toContain('layermover agent --site a --host h1 --cloud cloud.json');
  expect(printed.stderr).toContain('--identity ARN');
});

it.each(['h1', 'arn:aws:iam::123456789012:root', 'arn:aws:iam::123456789012:role/*'])(
  '%s is no identity',
  async (arn) => {
    const words = ['host', 'enrol', '--site', 'a', '--host', 'h1', '--cloud', api.cloudFile, '--identity', arn];
    expect((await call(...words)).code).toBe(2);
  },
);

it('connect writes a file without keys, once the API has answered', async () => {
  const out = path.join(api.folder, 'connected', 'cloud.json');
  const url = JSON.parse(await readFile(api.cloudFile, 'utf8')).api_url as string;
  const environment = { AWS_ACCESS_KEY_ID: 'AKIAEXAMPLE', AWS_SECRET_ACCESS_KEY: 'secret' };
  Object.assign(process.env, environment);
  try {
    const said = await call('cloud', 'connect', url, '--region', 'eu-central-1', '--namespace', 'team-a', '--out', out);
    expect(said.code, said.stderr).toBe(0);
  } finally {
    for (const name of Object.keys(environment)) delete process.env[name];
  }
  expect(JSON.parse(await readFile(out, 'utf8'))).toEqual({
    api_url: url,
    region: 'eu-central-1',
    namespace: 'team-a',
  });
  expect((await call('cloud', 'connect', url, '--out', out)).code, 'no region').toBe(2);
});

/** Routes that the agent's sources call by name. */
function callsOfAgent(): string[] {
  const folder = path.resolve(import.meta.dirname, '../../agent');
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
  const named = files.flatMap((name) =>
    [...readFileSync(path.join(folder, name), 'utf8').matchAll(/\.call\(\s*'(\w+)'/g)].map((match) => match[1]!),
  );
  return [...new Set(named)].toSorted();
}
