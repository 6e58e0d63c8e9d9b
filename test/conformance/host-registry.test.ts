import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { HostRecord } from '../../core/ports.ts';
import { type TableCloud, tableClouds } from './support/clouds.ts';
import { fresh } from './support/samples.ts';

const record: HostRecord = {
  ref: 'a/h1',
  caller: 'arn:aws:iam::111122223333:user/h1',
  version: '0.1.0',
  vms: ['web-1', 'db_2'],
  freeBytes: 123_456_789_012,
  seenMs: 1_700_000_000_000,
};

describe.each(tableClouds)('HostRegistry on $name', ({ start }) => {
  let cloud: TableCloud;
  beforeAll(async () => {
    cloud = await start();
  });
  afterAll(() => cloud.close());

  it('enrols a host, and renews it by the same caller', async () => {
    const namespace = fresh('ns');
    await cloud.here.hosts.enrol(namespace, record);
    expect(await cloud.there.hosts.find(namespace, 'a/h1')).toEqual(record);
    const renewed = { ...record, vms: [], seenMs: record.seenMs + 1 };
    await cloud.there.hosts.enrol(namespace, renewed);
    expect(await cloud.here.hosts.find(namespace, 'a/h1')).toEqual(renewed);
    expect(await cloud.here.hosts.find(fresh('ns'), 'a/h1')).toBeUndefined();
  });

  it('refuses another caller and changes nothing', async () => {
    const namespace = fresh('ns');
    await cloud.here.hosts.enrol(namespace, record);
    const thief = { ...record, caller: 'arn:aws:iam::111122223333:user/h9', vms: ['stolen'] };
    await expect(cloud.there.hosts.enrol(namespace, thief)).rejects.toMatchObject({ code: 'HOST_TAKEN' });
    expect(await cloud.here.hosts.find(namespace, 'a/h1')).toEqual(record);
  });

  it('gives a name to one of two callers who enrol it at the same time', async () => {
    for (let round = 0; round < 5; round += 1) {
      const namespace = fresh('ns');
      const callers = ['arn:one', 'arn:two'].map((caller) => ({ ...record, caller }));
      const outcomes = await Promise.allSettled(
        callers.map((host, i) => (i === 0 ? cloud.here : cloud.there).hosts.enrol(namespace, host)),
      );
      const winners = callers.filter((_, i) => outcomes[i]?.status === 'fulfilled');
      expect(winners).toHaveLength(1);
      expect(await cloud.here.hosts.find(namespace, 'a/h1')).toEqual(winners[0]);
    }
  });

  it('gives a host to an identity, whoever has it, and keeps what that identity said', async () => {
    const namespace = fresh('ns');
    const identity = fresh('arn');
    await cloud.here.hosts.enrol(namespace, record);
    await cloud.here.hosts.bind(namespace, 'a/h1', identity);
    const unseen = { ref: 'a/h1', caller: identity, version: '', vms: [], freeBytes: 0, seenMs: 0 };
    expect(await cloud.there.hosts.find(namespace, 'a/h1')).toEqual(unseen);
    await expect(cloud.there.hosts.enrol(namespace, record)).rejects.toMatchObject({ code: 'HOST_TAKEN' });
    await cloud.there.hosts.enrol(namespace, { ...record, caller: identity });
    await cloud.here.hosts.bind(namespace, 'a/h1', identity);
    expect(await cloud.here.hosts.find(namespace, 'a/h1')).toEqual({ ...record, caller: identity });
    expect(await cloud.here.hosts.list(namespace)).toHaveLength(1);
  });

  it('binds an identity to one namespace for good', async () => {
    const [one, two, identity] = [fresh('ns'), fresh('ns'), fresh('arn')];
    expect(await cloud.here.hosts.boundTo(identity)).toBeUndefined();
    await cloud.here.hosts.bind(one, 'a/h1', identity);
    await cloud.here.hosts.bind(one, 'a/h2', identity);
    const elsewhere = cloud.there.hosts.bind(two, 'a/h1', identity);
    await expect(elsewhere).rejects.toMatchObject({ code: 'IDENTITY_BOUND', data: { namespace: one } });
    expect(await cloud.there.hosts.boundTo(identity)).toBe(one);
    expect(await cloud.there.hosts.find(two, 'a/h1')).toBeUndefined();
  });

  it('lists the hosts of a namespace by name', async () => {
    const namespace = fresh('ns');
    const hosts = (['b/h1', 'a/h2', 'a/h1'] as const).map((ref) => ({ ...record, ref }));
    for (const host of hosts) await cloud.here.hosts.enrol(namespace, host);
    expect((await cloud.there.hosts.list(namespace)).map((host) => host.ref)).toEqual(['a/h1', 'a/h2', 'b/h1']);
    expect(await cloud.there.hosts.list(fresh('ns'))).toEqual([]);
  });
});
