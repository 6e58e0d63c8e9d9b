import { Duration } from 'aws-cdk-lib';
import { ArnPrincipal, PolicyStatement, Role } from 'aws-cdk-lib/aws-iam';
import type { Construct } from 'constructs';
import { limits } from '../core/limits.ts';
import { acknowledgeKeys } from './acknowledge.ts';
import type { MoverFunction } from './function.ts';
import { AGENT_RIGHTS, keyActions } from './rights.ts';
import type { Storage } from './storage.ts';

/** The role whose sessions agents get, each narrowed to one task. Only the tasks function can make one. */
export function createAgentRole(scope: Construct, { bucket, key }: Storage, tasks: MoverFunction): Role {
  const { keys, read, create } = AGENT_RIGHTS;
  const role = new Role(scope, 'AgentRole', {
    assumedBy: new ArnPrincipal(tasks.role.roleArn),
    description: 'LayerMover: what agents may do with objects at the most',
    maxSessionDuration: Duration.seconds(limits.grant_seconds),
  });
  const resources = [bucket.arnForObjects(keys)];
  role.addToPolicy(new PolicyStatement({ actions: [read], resources }));
  const conditions = { Null: { 's3:if-none-match': 'false' } };
  role.addToPolicy(new PolicyStatement({ actions: [create], resources, conditions }));
  role.addToPolicy(new PolicyStatement({ actions: keyActions([read, create]), resources: [key.keyArn] }));
  acknowledgeKeys(role, bucket, keys, 'Each session is narrowed to what one task reads and writes.');
  tasks.allow(['sts:AssumeRole'], role.roleArn);
  return role;
}
