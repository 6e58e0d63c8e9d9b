import { AssumeRoleCommand, type STSClient } from '@aws-sdk/client-sts';
import { LayerMoverError } from '../../core/errors.ts';
import { sha256, toHex } from '../../core/fingerprint.ts';
import { limits } from '../../core/limits.ts';
import type { Granter } from '../../core/ports.ts';

export interface GranterOptions {
  readonly client: STSClient;
  /** The role whose rights a session's policy narrows. */
  readonly roleArn: string;
  readonly bucket: string;
  /** The key that the bucket's objects are encrypted with. */
  readonly keyArn: string;
  readonly region: string;
  /** Where agents reach the object store if not at AWS's own address. */
  readonly endpoint?: string | undefined;
}

/** STS's own bounds. */
const SESSION_NAME_MAX = 64;
const POLICY_CHARACTERS_MAX = 2048;

/** Grants as sessions of one role. Throws GRANT_REFUSED for rights that no session can express. */
export function createGranter({ client, roleArn, bucket, keyArn, region, endpoint }: GranterOptions): Granter {
  return {
    async grant(session, rights) {
      const { Credentials: given } = await client.send(
        new AssumeRoleCommand({
          RoleArn: roleArn,
          RoleSessionName: sessionName(session),
          DurationSeconds: limits.grant_seconds,
          Policy: sessionPolicy(bucket, keyArn, rights),
        }),
      );
      if (!given?.AccessKeyId || !given.SecretAccessKey || !given.SessionToken || !given.Expiration) {
        throw new LayerMoverError('GRANT_REFUSED', 'STS gave no credentials');
      }
      return {
        bucket,
        region,
        ...(endpoint === undefined ? {} : { endpoint }),
        credentials: {
          accessKeyId: given.AccessKeyId,
          secretAccessKey: given.SecretAccessKey,
          sessionToken: given.SessionToken,
        },
        expiresMs: given.Expiration.getTime(),
      };
    },
  };
}

/** Objects may be created below `write`, never replaced, and read below `read`; nothing else. */
function sessionPolicy(
  bucket: string,
  keyArn: string,
  { write, read }: { write: readonly string[]; read: readonly string[] },
): string {
  const below = (prefixes: readonly string[]) =>
    prefixes.map((prefix) => `arn:aws:s3:::${bucket}/${plainPrefix(prefix)}/*`);
  const create = {
    Effect: 'Allow',
    Action: 's3:PutObject',
    Resource: below(write),
    Condition: { Null: { 's3:if-none-match': 'false' } },
  };
  const fetch = { Effect: 'Allow', Action: 's3:GetObject', Resource: below(read) };
  // The key opens nothing by itself: the objects' own rights are above.
  const useKey = (Action: string) => ({ Effect: 'Allow', Action, Resource: keyArn });
  const Statement = [
    ...(write.length > 0 ? [create, useKey('kms:GenerateDataKey')] : []),
    ...(read.length > 0 ? [fetch, useKey('kms:Decrypt')] : []),
  ];
  const policy = JSON.stringify({ Version: '2012-10-17', Statement });
  if (policy.length > POLICY_CHARACTERS_MAX || Statement.length === 0) {
    throw new LayerMoverError('GRANT_REFUSED', `${write.length + read.length} prefixes do not fit a session's policy`);
  }
  return policy;
}

/** A prefix without its last slash; refuses characters that mean something in a policy. */
function plainPrefix(prefix: string): string {
  if (/^[\w./-]+$/.test(prefix)) return prefix.replace(/\/$/, '');
  throw new LayerMoverError('GRANT_REFUSED', `rights can't be limited to ${prefix}`, { data: { prefix } });
}

/** The session's name in STS's form; a long one keeps its beginning and a digest of it all. */
function sessionName(session: string): string {
  const plain = session.replace(/[^\w+=,.@-]/g, '-');
  if (plain.length <= SESSION_NAME_MAX) return plain;
  const digest = toHex(sha256(Buffer.from(session))).slice(0, 16);
  return `${plain.slice(0, SESSION_NAME_MAX - digest.length - 1)}-${digest}`;
}
