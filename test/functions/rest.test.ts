import { beforeEach, describe, expect, it } from 'vitest';
import { limits } from '../../core/limits.ts';
import { createEnrolledCloud, type TestCloud } from './support/cloud.ts';
import { ACCOUNT, eventOf, userArn } from './support/event.ts';

let cloud: TestCloud;
beforeEach(async () => {
  cloud = await createEnrolledCloud();
});

const host = { params: { site: 'a', host: 'h1' } };
const enrolment = { version: '1', vms: [], free_bytes: 1, layers: [] };

describe('requests that the contract does not allow', () => {
  it.each([
    ['no JSON', 'enrolHost', { ...host, body: '{"version":' }, 'BODY_INVALID'],
    ['no body', 'enrolHost', host, 'BODY_INVALID'],
    ['a field of the wrong type', 'enrolHost', { ...host, body: { ...enrolment, free_bytes: 'much' } }, 'BODY_INVALID'],
    ['a name that is none', 'enrolHost', { params: { site: 'A/../', host: 'h1' }, body: enrolment }, 'BODY_INVALID'],
    ['a page of none', 'listMigrations', { query: { limit: 0 } }, 'BODY_INVALID'],
    ['a query without what it must say', 'checkFingerprints', { body: Buffer.alloc(50) }, 'BODY_INVALID'],
    ['a task id that is none', 'grant', { params: { task: 'x' }, body: { attempt: 1 } }, 'BODY_INVALID'],
  ] as const)('%s', async (_, name, asked, code) => {
    const told = await cloud.refused(name, 'h1', asked);
    expect(told).toMatchObject({ code, status: 400, type: `urn:layermover:error:${code}`, title: 'Bad Request' });
  });

  it('says where the fault lies', async () => {
    const told = await cloud.refused('enrolHost', 'h1', { ...host, body: { ...enrolment, vms: ['fine', '-bad'] } });
    expect(told.data).toMatchObject({ issues: [{ at: 'vms.1' }] });
  });

  it.each([
    ['text', 'x'.repeat(limits.api_body_bytes_max + 1)],
    ['bytes', Buffer.alloc(limits.api_body_bytes_max + 1)],
  ])('more %s than the limit', async (_, body) => {
    const asked = { ...host, query: { task: `m${'0'.repeat(20)}.x`, attempt: 1 }, body };
    const told = await cloud.refused(typeof body === 'string' ? 'enrolHost' : 'checkFingerprints', 'h1', asked);
    expect(told).toMatchObject({ code: 'BODY_TOO_LARGE', status: 413 });
  });

  it('a route that is not this function’s', async () => {
    const event = { ...eventOf('listHosts'), httpMethod: 'DELETE' };
    const { createHandler } = await import('../../functions/layers/handler.ts');
    const { statusCode, body } = await createHandler(cloud)(event);
    expect([statusCode, JSON.parse(body).code]).toEqual([404, 'NOT_FOUND']);
  });
});

describe('who calls', () => {
  it('nobody: refused', async () => {
    const { statusCode, body } = await cloud.send('listHosts', { caller: null });
    expect([statusCode, JSON.parse(body).code]).toEqual([403, 'CALLER_REFUSED']);
  });

  it('an assumed role is the same in all of its sessions, and another role is not', async () => {
    const role = (name: string, session: string) => `arn:aws:sts::${ACCOUNT}:assumed-role/${name}/${session}`;
    const asked = { params: { site: 'a', host: 'h9' }, body: enrolment };
    const enrol = async (caller: string) => (await cloud.send('enrolHost', { ...asked, caller })).statusCode;
    expect(await enrol(role('agent', 'one'))).toBe(200);
    expect(await enrol(role('agent', 'two'))).toBe(200);
    expect(await enrol(role('other', 'one'))).toBe(409);
    expect(await enrol(userArn('agent'))).toBe(409);
  });
});

describe('namespaces', () => {
  it('come from the header, whatever its case, and hold their own hosts', async () => {
    const asked = { ...host, body: enrolment };
    await cloud.call('enrolHost', 'someone-else', asked, 'other');
    expect((await cloud.call('listHosts', 'h1', {}, 'other')).hosts).toHaveLength(1);
    expect((await cloud.call('listHosts', 'h1', {})).hosts).toHaveLength(2);
  });

  it('must have the form of one', async () => {
    const told = await cloud.refused('listHosts', 'h1', { headers: { 'x-layermover-namespace': 'A#B' } });
    expect(told.code).toBe('BODY_INVALID');
  });
});

describe('errors that are nobody’s business', () => {
  it('are logged in full and told in general', async () => {
    cloud.hosts.list = async () => {
      throw new Error('secret table arn:aws:dynamodb');
    };
    const told = await cloud.refused('listHosts', 'h1', {});
    expect(told).toMatchObject({ code: 'INTERNAL', status: 500 });
    expect(JSON.stringify(told)).not.toContain('secret');
    expect(cloud.logged).toHaveLength(1);
  });
});
