import { RemovalPolicy, type Stack } from 'aws-cdk-lib';
import { Key } from 'aws-cdk-lib/aws-kms';
import { Bucket } from 'aws-cdk-lib/aws-s3';
import { Topic } from 'aws-cdk-lib/aws-sns';
import type { Construct } from 'constructs';
import * as z from 'zod';
import { ownNamespace } from '../core/api/names.ts';
import { LayerMoverError } from '../core/errors.ts';
import type { LayerMoverProps } from './layer-mover.ts';
import { schedules } from './schedules.ts';

const number = z.coerce.number().positive();
const whole = z.coerce.number().int().positive();
const arn = z.string().regex(/^arn:/, 'an ARN');
/** A list in cdk.json, or its words between commas on the command line, where every value is text. */
const list = z.preprocess(
  (given) => (typeof given === 'string' ? given.split(',') : given),
  z.array(ownNamespace).min(1),
);

/** The keys of the plain app in `cdk.json` (`context`), or of `cdk deploy -c KEY=VALUE`; docs/DEPLOY.md has a table. */
export const contextKeys = {
  'stack-name': z.string(),
  namespaces: list,
  schedules,
  'removal-policy': z.enum(['retain', 'destroy']),
  'index-sampling': whole,
  'alarm-topic': arn,
  'dollars-per-hour': number,
  'encryption-key': arn,
  'access-logs-bucket': z.string(),
  'log-days': whole,
  'calls-per-second': whole,
  'calls-burst': whole,
  /** For emulators alone. */
  'emulated-callers': z.union([z.boolean(), z.stringbool()]),
} as const;

type Context = { readonly [K in keyof typeof contextKeys]?: z.output<(typeof contextKeys)[K]> };

/** What the app's context says. Throws CONTEXT_INVALID. */
export function readContext({ node }: Construct): Context {
  const given = Object.keys(contextKeys).map((key) => [key, node.tryGetContext(key)] as const);
  const parsed = z
    .object(contextKeys)
    .partial()
    .safeParse(Object.fromEntries(given.filter(([, value]) => value !== undefined)));
  if (parsed.success) return parsed.data as Context;
  throw new LayerMoverError('CONTEXT_INVALID', `the context is not valid: ${z.prettifyError(parsed.error)}`, {
    hint: 'docs/DEPLOY.md has the keys; they are in cdk.json or said by -c KEY=VALUE',
  });
}

/** The context as properties of the construct; what it does not say is left to the construct's own defaults. */
export function propsOf(stack: Stack, context: Context): Omit<LayerMoverProps, 'bundles'> {
  const made: Partial<LayerMoverProps> = {
    namespaces: context.namespaces,
    schedules: context.schedules,
    removalPolicy:
      context['removal-policy'] && RemovalPolicy[context['removal-policy'] === 'destroy' ? 'DESTROY' : 'RETAIN'],
    indexSampling: context['index-sampling'],
    alarmTopic: context['alarm-topic'] && Topic.fromTopicArn(stack, 'AlarmTopic', context['alarm-topic']),
    dollarsPerHourMax: context['dollars-per-hour'],
    encryptionKey: context['encryption-key'] && Key.fromKeyArn(stack, 'EncryptionKey', context['encryption-key']),
    accessLogsBucket:
      context['access-logs-bucket'] && Bucket.fromBucketName(stack, 'AccessLogs', context['access-logs-bucket']),
    logDays: context['log-days'],
    callsPerSecond: context['calls-per-second'],
    callsBurst: context['calls-burst'],
    emulatedCallers: context['emulated-callers'],
  } as Partial<LayerMoverProps>;
  return Object.fromEntries(Object.entries(made).filter(([, value]) => value !== undefined));
}
