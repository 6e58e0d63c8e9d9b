import { type CfnElement, Stack, Validations } from 'aws-cdk-lib';
import type { Bucket } from 'aws-cdk-lib/aws-s3';
import type { IConstruct } from 'constructs';

/** Exempts a construct from one rule of a rule pack such as cdk-nag's; the reason is written into the assembly. */
export function acknowledge(construct: IConstruct, rule: string, reason: string): void {
  Validations.of(construct).acknowledge({ id: rule, reason });
}

/** Exempts a role from the rule against wildcards, for these keys of the bucket alone. */
export function acknowledgeKeys(role: IConstruct, bucket: Bucket, keys: string, reason: string): void {
  const logicalId = Stack.of(bucket).getLogicalId(bucket.node.defaultChild as CfnElement);
  acknowledge(role, `AwsSolutions-IAM5[Resource::<${logicalId}.Arn>/${keys}]`, reason);
}
