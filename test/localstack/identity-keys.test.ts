import { expect, it } from 'vitest';
import { KeyStore, TooManySessionsError } from '../../localstack/identity/keys.ts';
import { IDENTITY_LIMITS } from '../../localstack/identity/limits.ts';
import { PolicyError } from '../../localstack/identity/policy.ts';

const arn = 'arn:aws:iam::123456789012:role/host';

it('issues keys of the known form, no two alike', () => {
  const keys = new KeyStore({ nowMs: () => 5_000 });
  const permanent = keys.issue({ arn });
  expect(permanent).toEqual({
    accessKeyId: expect.stringMatching(/^AKIA[A-Z2-7]{16}$/),
    secretAccessKey: expect.stringMatching(/^[\w+/]{40}$/),
    arn,
    account: '123456789012',
  });
  const session = keys.issue({ arn, ttlSeconds: 900 });
  expect(session).toMatchObject({ accessKeyId: expect.stringMatching(/^ASIA/), expiresAtMs: 905_000 });
  expect(keys.find(session.accessKeyId)).toBe(session);
  expect(keys.find(permanent.accessKeyId)).toBe(permanent);
  expect(keys.find('AKIAAAAAAAAAAAAAAAAA')).toBeUndefined();
  expect(keys.issue({ arn, ttlSeconds: 900 }).secretAccessKey).not.toBe(session.secretAccessKey);
});

it('refuses a policy that it could not enforce', () => {
  const keys = new KeyStore({ nowMs: () => 0 });
  const policy = { Statement: { Effect: 'Allow', Action: '*', Resource: '*', Condition: { IpAddress: {} } } };
  expect(() => keys.issue({ arn, policy })).toThrow(PolicyError);
});

it('holds a bounded number of sessions, expired ones making room', () => {
  let now = 0;
  const keys = new KeyStore({ nowMs: () => now });
  const first = keys.issue({ arn, ttlSeconds: 900 });
  for (let at = 1; at < IDENTITY_LIMITS.maxSessionKeys; at++) keys.issue({ arn, ttlSeconds: 901 });
  expect(() => keys.issue({ arn, ttlSeconds: 900 })).toThrow(TooManySessionsError);
  now = 900_000;
  expect(keys.find(first.accessKeyId)).toBe(first);
  const last = keys.issue({ arn, ttlSeconds: 900 });
  expect(keys.find(first.accessKeyId)).toBeUndefined();
  expect(keys.find(last.accessKeyId)).toBe(last);
  expect(() => keys.issue({ arn, ttlSeconds: 900 })).toThrow(TooManySessionsError);
});
