import {
  CloudFormationClient,
  DescribeStackResourcesCommand,
  DescribeStacksCommand,
} from '@aws-sdk/client-cloudformation';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { tables } from '../../../../adapters/aws/tables.ts';
import { Stage } from '../../stage.ts';
import { CDK_MS_MAX, cdk } from './cdk.ts';

/** The last thing that is done to a stack: nothing is deployed any more afterwards. */
let stage: Stage;
let cloudFormation: CloudFormationClient;

beforeAll(async () => {
  stage = await Stage.open();
  const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
  const endpoint = new URL(stage.cloud.api_url).origin;
  cloudFormation = new CloudFormationClient({ endpoint, region: stage.cloud.region, credentials });
});
afterAll(async () => {
  cloudFormation.destroy();
  await stage.close();
});

it(
  'a stack that is destroyed leaves bucket, tables and key, and tells which they are',
  async () => {
    const { Stacks = [] } = await cloudFormation.send(new DescribeStacksCommand({ StackName: 'LayerMover' }));
    const StackName = Stacks[0]!.StackId!;
    await cdk('destroy', '--force');
    const { StackResources = [] } = await cloudFormation.send(new DescribeStackResourcesCommand({ StackName }));
    const left = StackResources.filter(({ ResourceStatus }) => ResourceStatus === 'DELETE_SKIPPED');
    expect(left.map(({ ResourceType }) => ResourceType).toSorted()).toEqual([
      // By which API Gateway writes logs, for all of the account.
      'AWS::ApiGateway::Account',
      ...Array(Object.keys(tables).length).fill('AWS::DynamoDB::Table'),
      'AWS::IAM::Role',
      'AWS::KMS::Key',
      'AWS::S3::Bucket',
    ]);
    const bucket = left.find(({ ResourceType }) => ResourceType === 'AWS::S3::Bucket')?.PhysicalResourceId;
    const endpoint = new URL(stage.cloud.api_url).origin;
    expect((await fetch(`${endpoint}/${bucket}`, { method: 'HEAD' })).status).toBe(200);
    expect((await fetch(`${stage.cloud.api_url}/hosts`)).status).not.toBe(200);
  },
  CDK_MS_MAX,
);
