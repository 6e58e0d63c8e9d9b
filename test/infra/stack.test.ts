import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { Match, Template } from 'aws-cdk-lib/assertions';
import { beforeAll, describe, expect, it } from 'vitest';
import { type TableId, type TableSpec, tables } from '../../adapters/aws/tables.ts';
import { type Route, routes } from '../../core/api/routes.ts';
import { limits } from '../../core/limits.ts';
import { openCloud } from '../../functions/cloud.ts';
import { FUNCTIONS, SERVICE_NAME, settings, tableSetting, uses } from '../../functions/settings.ts';
import { synthesize } from '../../infra/synth.ts';
import { workflowDefinition } from '../../infra/workflow/definition.ts';
import { loadModel } from '../../localstack/assembly/load.ts';
import { ASSEMBLIES } from './assemblies.ts';

let template: Template;
let model: ReturnType<typeof loadModel>;

beforeAll(() => {
  const assembly = synthesize(ASSEMBLIES);
  template = Template.fromJSON(JSON.parse(readFileSync(path.join(assembly, 'LayerMover.template.json'), 'utf8')));
  model = loadModel(assembly);
});

interface Statement {
  readonly Action: string | string[];
  readonly Resource: unknown;
  readonly Effect: string;
  readonly Condition?: unknown;
}

/** All statements of all policies, with the policy's logical id. */
function statements(): (Statement & { readonly policy: string })[] {
  return Object.entries(template.findResources('AWS::IAM::Policy')).flatMap(([policy, { Properties }]) =>
    (Properties.PolicyDocument.Statement as Statement[]).map((statement) => ({ ...statement, policy })),
  );
}

function functionOf(name: string) {
  return model.functions.find((each) => each.name.toLowerCase().includes(`plane${name}function`))!;
}

/** Actions that one function's role is allowed, by the logical id of the policy. */
function actionsOf(name: string): string[] {
  const own = statements().filter((each) => each.policy.toLowerCase().includes(`controlplane${name}role`));
  return own.flatMap((each) => each.Action).toSorted();
}

/** What Step Functions needs to write a log. Source: "Logging using CloudWatch Logs", AWS Step Functions' guide. */
const LOG_DELIVERY = [
  'logs:CreateLogDelivery',
  'logs:DeleteLogDelivery',
  'logs:DescribeLogGroups',
  'logs:DescribeResourcePolicies',
  'logs:GetLogDelivery',
  'logs:ListLogDeliveries',
  'logs:PutResourcePolicy',
  'logs:UpdateLogDelivery',
];

describe('grants', () => {
  it('name their actions and resources: no wildcard but keys of the bucket, and log delivery, which knows no resources', () => {
    for (const { Action, Resource, policy } of statements()) {
      expect([Action].flat().join(), policy).not.toContain('*');
      if ([Action].flat().every((action) => LOG_DELIVERY.includes(action))) continue;
      const text = JSON.stringify(Resource)
        .replaceAll('/requests/*', '')
        .replace(/\/ns\/\*\/(migrations|packs|placements|segments|layers|garbage)\/\*/g, '')
        .replaceAll('/ns/*', '');
      expect(text, policy).not.toContain('*');
    }
  });

  it('are each function’s own', () => {
    const log = ['logs:CreateLogStream', 'logs:PutLogEvents'];
    const read = ['dynamodb:BatchGetItem', 'dynamodb:GetItem', 'dynamodb:Query'];
    const without = (name: string) => [...new Set(actionsOf(name).filter((each) => !each.startsWith('dynamodb:')))];
    const write = ['dynamodb:BatchWriteItem', 'dynamodb:DeleteItem', 'dynamodb:PutItem', 'dynamodb:UpdateItem'];
    expect([...new Set(actionsOf('layers'))]).toEqual(
      [...read, ...write, 'kms:Decrypt', ...log, 's3:GetObject'].toSorted(),
    );
    expect(without('hosts')).toEqual([...log, 'states:SendTaskHeartbeat']);
    expect(without('tasks')).toEqual([
      'kms:Decrypt',
      ...log,
      's3:GetObject',
      'states:SendTaskFailure',
      'states:SendTaskSuccess',
      'sts:AssumeRole',
    ]);
    expect(without('fingerprints')).toEqual(['kms:Decrypt', ...log, 's3:GetObject']);
    expect(without('migrations')).toEqual([
      'events:PutEvents',
      ...log,
      'states:SendTaskFailure',
      'states:StartExecution',
    ]);
    const refuse = ['sqs:GetQueueAttributes', 'sqs:GetQueueUrl', 'sqs:SendMessage'];
    const objects = ['s3:DeleteObject', 's3:GetObject', 's3:ListBucket'];
    expect(without('steps')).toEqual(['events:PutEvents', 'kms:Decrypt', ...log, ...objects, ...refuse]);
    expect(without('requests')).toEqual([
      'events:PutEvents',
      'kms:Decrypt',
      ...log,
      's3:GetObject',
      ...refuse,
      'states:StartExecution',
    ]);
    expect(without('rebuild')).toEqual(['kms:Decrypt', 'kms:GenerateDataKey', ...log, ...objects, 's3:PutObject']);
    expect(without('gc')).toEqual(without('rebuild'));
    expect(without('garbage')).toEqual([...log, 'states:StartExecution']);
    for (const machine of ['workflow', 'collector'])
      expect(actionsOf(machine), machine).toEqual(['lambda:InvokeFunction', ...LOG_DELIVERY]);
  });

  it('let agents create objects but never replace one, and only through the tasks function', () => {
    expect(actionsOf('agent')).toEqual(['kms:Decrypt', 'kms:GenerateDataKey', 's3:GetObject', 's3:PutObject']);
    const [put] = statements().filter((each) => each.policy.includes('AgentRole') && each.Action === 's3:PutObject');
    expect(put?.Condition).toEqual({ Null: { 's3:if-none-match': 'false' } });
    template.hasResourceProperties('AWS::IAM::Role', {
      MaxSessionDuration: limits.grant_seconds,
      AssumeRolePolicyDocument: {
        Statement: [
          {
            Action: 'sts:AssumeRole',
            Principal: { AWS: { 'Fn::GetAtt': [Match.stringLikeRegexp('TasksRole'), 'Arn'] } },
          },
        ],
      },
    });
  });

  it('of tables are read or write as the function uses them', () => {
    for (const name of FUNCTIONS) {
      const writes = Object.values(uses[name].tables).some((use) => use !== 'read');
      expect(actionsOf(name).includes('dynamodb:PutItem'), name).toBe(writes);
    }
  });

  it('let a rebuild alone go through a table, the index, and take objects out by their kinds', () => {
    const scans = statements().filter((each) => [each.Action].flat().includes('dynamodb:Scan'));
    expect(scans).toHaveLength(1);
    expect(scans[0]!.policy).toContain('Rebuild');
    expect(JSON.stringify(scans[0]!.Resource)).toMatch(/IndexTable/);
    expect(JSON.stringify(scans[0]!.Resource)).not.toMatch(/(Layers|Vms|Migrations|Tasks|Hosts)Table/);
    const own = statements().filter((each) => each.policy.includes('Rebuild'));
    const keysOf = (action: string) =>
      own
        .filter((each) => [each.Action].flat().includes(action))
        .flatMap((each) => JSON.stringify(each.Resource).match(/ns\/\*\/\w+/g));
    expect(keysOf('s3:DeleteObject').toSorted()).toEqual([
      'ns/*/layers',
      'ns/*/packs',
      'ns/*/placements',
      'ns/*/segments',
    ]);
    expect(keysOf('s3:PutObject')).toEqual(['ns/*/placements']);
  });
});

describe('storage', () => {
  it('outlives the stack, is private, and takes TLS only', () => {
    template.allResources('AWS::S3::Bucket', { DeletionPolicy: 'Retain', UpdateReplacePolicy: 'Retain' });
    template.allResources('AWS::DynamoDB::Table', { DeletionPolicy: 'Retain', UpdateReplacePolicy: 'Retain' });
    template.hasResourceProperties('AWS::S3::Bucket', {
      PublicAccessBlockConfiguration: {
        BlockPublicAcls: true,
        BlockPublicPolicy: true,
        IgnorePublicAcls: true,
        RestrictPublicBuckets: true,
      },
    });
    template.hasResourceProperties('AWS::S3::BucketPolicy', {
      PolicyDocument: {
        Statement: [Match.objectLike({ Effect: 'Deny', Condition: { Bool: { 'aws:SecureTransport': 'false' } } })],
      },
    });
  });

  it('is encrypted with a key that rotates, and its tables can be put back to any second', () => {
    template.allResourcesProperties('AWS::KMS::Key', { EnableKeyRotation: true });
    template.hasResourceProperties('AWS::S3::Bucket', {
      BucketEncryption: {
        ServerSideEncryptionConfiguration: [
          { BucketKeyEnabled: true, ServerSideEncryptionByDefault: { SSEAlgorithm: 'aws:kms' } },
        ],
      },
    });
    template.allResourcesProperties('AWS::DynamoDB::Table', {
      PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
    });
  });

  it('loses torn uploads and what ended migrations left', () => {
    const rules = [
      { AbortIncompleteMultipartUpload: { DaysAfterInitiation: 1 } },
      { Prefix: 'ns/default/migrations/', ExpirationInDays: limits.left_over_days },
    ].map((rule) => Match.objectLike(rule));
    template.hasResourceProperties('AWS::S3::Bucket', { LifecycleConfiguration: { Rules: rules } });
  });

  it.each(Object.entries<TableSpec>(tables))('has the table %s as the adapters want it', (name, spec) => {
    const found = template.findResources('AWS::DynamoDB::Table');
    const [, { Properties }] = Object.entries(found).find(([id]) => id.toLowerCase().includes(`${name}table`))!;
    const key = (type: string) =>
      Properties.KeySchema.find((each: { KeyType: string }) => each.KeyType === type)?.AttributeName;
    expect([key('HASH'), key('RANGE')]).toEqual([spec.partitionKey, spec.sortKey]);
    expect(Properties.BillingMode).toBe('PAY_PER_REQUEST');
    expect(Properties.TimeToLiveSpecification?.AttributeName).toBe(spec.expiry);
    const indexes = (Properties.GlobalSecondaryIndexes ?? []).map((each: { IndexName: string }) => each.IndexName);
    expect(indexes).toEqual(Object.keys(spec.indexes));
  });
});

describe('functions', () => {
  it('run on Node 24 on ARM, in time, with a log of their own that expires', () => {
    const found = Object.values(template.findResources('AWS::Lambda::Function'));
    expect(found).toHaveLength(FUNCTIONS.length);
    for (const { Properties } of found) {
      expect(Properties).toMatchObject({ Runtime: 'nodejs24.x', Architectures: ['arm64'], Handler: 'index.handler' });
      expect(Properties.LoggingConfig.LogGroup).toBeDefined();
    }
    template.allResourcesProperties('AWS::Logs::LogGroup', { RetentionInDays: limits.log_days });
  });

  it.each(FUNCTIONS)('%s is told what it uses, and no more', (name) => {
    const { environment } = functionOf(name);
    const tableNames = Object.keys(uses[name].tables) as TableId[];
    const told = [...uses[name].settings.map((each) => settings[each]), ...tableNames.map(tableSetting)];
    expect(Object.keys(environment).toSorted()).toEqual([...told, 'NODE_OPTIONS', SERVICE_NAME].toSorted());
    for (const variable of told) expect(environment[variable], variable).toMatch(/\S/);
  });

  it('start from their bundles with what they are told', () => {
    const starts = FUNCTIONS.map((name) => {
      const { codeDir, environment } = functionOf(name);
      const bundle = pathToFileURL(path.join(codeDir, 'index.mjs')).href;
      return `process.env = ${JSON.stringify({ AWS_REGION: 'eu-central-1', ...environment })};
        console.log((typeof (await import('${bundle}')).handler));`;
    });
    const said = execFileSync(process.execPath, ['--input-type=module', '--eval', starts.join('\n')], {
      encoding: 'utf8',
    });
    expect(said.trim().split('\n')).toEqual(FUNCTIONS.map(() => 'function'));
  });

  it('do not start without what they use', () => {
    expect(() => openCloud('layers', { AWS_REGION: 'eu-central-1', BUCKET_NAME: 'b' }, () => undefined)).toThrow(
      /TABLE_LAYERS/,
    );
  });
});

describe('the API', () => {
  it('has every route of the contract, signed, and no other', () => {
    const made = model.api!.methods.map(
      (method) => `${method.httpMethod} ${method.resourcePath} ${method.authorization}`,
    );
    const wanted = Object.values<Route>(routes).map((route) => `${route.method} ${route.path} AWS_IAM`);
    expect(made.toSorted()).toEqual(wanted.toSorted());
    expect(model.api?.binaryMediaTypes).toEqual(['application/octet-stream']);
  });

  it('leads each route to its function', () => {
    for (const route of Object.values<Route>(routes)) {
      const method = model.api!.methods.find(
        (each) => each.httpMethod === route.method && each.resourcePath === route.path,
      );
      const fn = model.functions.find((each) => each.arn === method?.functionArn);
      expect(fn?.name.toLowerCase(), `${route.method} ${route.path}`).toContain(`plane${route.function}function`);
      expect(fn!.timeoutSeconds).toBeLessThan(method!.timeoutMs / 1000);
    }
  });
});

describe('the gateway', () => {
  it('checks every JSON body by the contract’s schema before a function is called', () => {
    const models = template.findResources('AWS::ApiGateway::Model');
    const checked = Object.values(template.findResources('AWS::ApiGateway::Method')).filter(
      ({ Properties }) => Properties.RequestModels !== undefined,
    );
    const wanted = Object.values<Route>(routes).filter(({ body }) => body !== undefined && body !== 'binary');
    expect(checked).toHaveLength(wanted.length);
    for (const { Properties } of checked) {
      const { Ref } = Properties.RequestModels['application/json'];
      expect(Properties.RequestValidatorId).toBeDefined();
      expect(models[Ref]?.Properties.Schema.type).toBe('object');
      expect(JSON.stringify(models[Ref]), 'LocalStack takes it for the name of a model').not.toContain('$ref');
    }
  });

  it('lets through no more calls than it should, and logs each', () => {
    template.hasResourceProperties('AWS::ApiGateway::Stage', {
      AccessLogSetting: Match.objectLike({ DestinationArn: Match.anyValue() }),
      MethodSettings: [
        Match.objectLike({
          ThrottlingRateLimit: limits.api_calls_per_second,
          ThrottlingBurstLimit: limits.api_calls_burst,
        }),
      ],
    });
  });
});

describe('the workflow', () => {
  it('is the one definition, on the steps function', () => {
    const machine = model.machines.find((each) => each.name.includes('Workflow'));
    const steps = model.functions.find((each) => each.name.includes('Steps'))!;
    expect(machine?.definition).toEqual(JSON.parse(JSON.stringify(workflowDefinition(steps.arn))));
    expect(steps.timeoutSeconds).toBe(limits.step_seconds);
  });
});

it('nothing has a fixed name, so that many stacks fit in one account', () => {
  const names: Readonly<Record<string, string>> = {
    'AWS::S3::Bucket': 'BucketName',
    'AWS::DynamoDB::Table': 'TableName',
    'AWS::Lambda::Function': 'FunctionName',
    'AWS::IAM::Role': 'RoleName',
    'AWS::StepFunctions::StateMachine': 'StateMachineName',
    'AWS::Logs::LogGroup': 'LogGroupName',
  };
  for (const [type, name] of Object.entries(names)) {
    const found = Object.values(template.findResources(type));
    expect(found.length, type).toBeGreaterThan(0);
    for (const { Properties = {} } of found) expect(Object.keys(Properties), type).not.toContain(name);
  }
});

it('the outputs are what a user needs', () => {
  expect(Object.keys(template.findOutputs('*')).toSorted()).toEqual([
    'ApiUrl',
    'BucketName',
    'BusName',
    'DashboardUrl',
    'KeptOnDestroy',
    'RefusedQueueUrl',
    'StateMachineArn',
  ]);
});
