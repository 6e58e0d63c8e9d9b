import { randomUUID } from 'node:crypto';
import * as z from 'zod';
import { type AccessKey, type KeyStore, randomId, TooManySessionsError } from './keys.ts';
import { IDENTITY_LIMITS as LIMITS } from './limits.ts';
import { isAllowed, PolicyError } from './policy.ts';
import { xml, xmlDocument } from './xml.ts';

const NAMESPACE = 'https://sts.amazonaws.com/doc/2011-06-15/';

export interface StsRequest {
  /** The form-encoded query of the POST. */
  readonly body: string;
  /** Who signed it. */
  readonly caller: AccessKey;
  readonly keys: KeyStore;
}

export interface StsAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

class StsError extends Error {
  readonly code: string;
  readonly status: number;

  constructor(code: string, status: number, message: string) {
    super(message);
    this.code = code;
    this.status = status;
  }
}

const assumeRoleSchema = z.strictObject({
  RoleArn: z.string().regex(/^arn:aws:iam::\d{12}:role\/[\w+=,.@/-]{1,512}$/),
  RoleSessionName: z.string().regex(/^[\w+=,.@-]{2,64}$/),
  Policy: z.string().optional(),
  ExternalId: z.string().max(1224).optional(),
  DurationSeconds: z.coerce
    .number()
    .int()
    .min(LIMITS.minSessionSeconds)
    .max(LIMITS.maxSessionSeconds)
    .default(LIMITS.defaultSessionSeconds),
});

const ACTIONS: Readonly<Record<string, (fields: Record<string, string>, request: StsRequest) => string>> = {
  AssumeRole: assumeRole,
  GetCallerIdentity: getCallerIdentity,
};

/** Answers AssumeRole and GetCallerIdentity of the STS query API (2011-06-15); everything else is refused by name. */
export function handleSts(request: StsRequest): StsAnswer {
  try {
    const { Action = '', Version, ...fields } = Object.fromEntries(new URLSearchParams(request.body));
    const action = Object.hasOwn(ACTIONS, Action) ? ACTIONS[Action] : undefined;
    if (action === undefined || Version !== '2011-06-15') {
      throw new StsError('InvalidAction', 400, `Could not find operation ${Action} for version ${Version}`);
    }
    const metadata = xml('ResponseMetadata', [xml('RequestId', randomUUID())]);
    const result = xml(`${Action}Result`, [action(fields, request)]);
    return answer(200, xml(`${Action}Response`, [result, metadata], NAMESPACE));
  } catch (error) {
    return answerError(error);
  }
}

/** The XML that clients of a query API expect for a refusal, for signatures, too. */
export function stsErrorAnswer({
  code,
  message,
  status,
}: {
  code: string;
  message: string;
  status: number;
}): StsAnswer {
  const detail = xml('Error', [xml('Type', 'Sender'), xml('Code', code), xml('Message', message)]);
  return answer(status, xml('ErrorResponse', [detail, xml('RequestId', randomUUID())], NAMESPACE));
}

function assumeRole(fields: Record<string, string>, { caller, keys }: StsRequest): string {
  const { RoleArn, RoleSessionName, Policy, DurationSeconds } = parseAssumeRole(fields, caller);
  if (!isAllowed(caller.policy, { action: 'sts:AssumeRole', resource: RoleArn })) {
    const who = `User: ${caller.arn} is not authorized to perform: sts:AssumeRole on resource: ${RoleArn}`;
    throw new StsError('AccessDenied', 403, who);
  }
  const [, , , , account, resource = ''] = RoleArn.split(':');
  const arn = `arn:aws:sts::${account}:assumed-role/${resource.split('/').at(-1)}/${RoleSessionName}`;
  const key = keys.issue({ arn, ttlSeconds: DurationSeconds, ...(Policy === undefined ? {} : { policy: Policy }) });
  return [
    xml('AssumedRoleUser', [xml('AssumedRoleId', `${randomId('AROA')}:${RoleSessionName}`), xml('Arn', arn)]),
    xml('Credentials', [
      xml('AccessKeyId', key.accessKeyId),
      xml('SecretAccessKey', key.secretAccessKey),
      xml('SessionToken', key.sessionToken ?? ''),
      xml('Expiration', new Date(key.expiresAtMs ?? 0).toISOString()),
    ]),
  ].join('');
}

function parseAssumeRole(fields: Record<string, string>, caller: AccessKey) {
  const parsed = assumeRoleSchema.safeParse(fields);
  if (!parsed.success) throw new StsError('ValidationError', 400, z.prettifyError(parsed.error));
  if ((parsed.data.Policy?.length ?? 0) > LIMITS.maxPolicyChars) {
    throw new StsError('PackedPolicyTooLarge', 400, `a session policy has at most ${LIMITS.maxPolicyChars} characters`);
  }
  if (caller.sessionToken !== undefined && parsed.data.DurationSeconds > LIMITS.maxChainedSessionSeconds) {
    const message = 'The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining';
    throw new StsError('ValidationError', 400, message);
  }
  return parsed.data;
}

function getCallerIdentity(fields: Record<string, string>, { caller }: StsRequest): string {
  const [unknown] = Object.keys(fields);
  if (unknown !== undefined) throw new StsError('ValidationError', 400, `unknown parameter ${unknown}`);
  return [xml('Arn', caller.arn), xml('UserId', caller.accessKeyId), xml('Account', caller.account)].join('');
}

function answerError(error: unknown): StsAnswer {
  if (error instanceof StsError) return stsErrorAnswer(error);
  if (error instanceof PolicyError) {
    return stsErrorAnswer({ code: 'MalformedPolicyDocument', message: error.message, status: 400 });
  }
  if (error instanceof TooManySessionsError) {
    return stsErrorAnswer({ code: 'Throttling', message: error.message, status: 400 });
  }
  throw error;
}

function answer(status: number, root: string): StsAnswer {
  return { status, contentType: 'text/xml', body: xmlDocument(root) };
}
