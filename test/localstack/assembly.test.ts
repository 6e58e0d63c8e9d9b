import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { resolveValue } from '../../localstack/assembly/intrinsics.ts';
import { loadModel } from '../../localstack/assembly/load.ts';
import type { CloudModel } from '../../localstack/assembly/model.ts';
import { functionResource, type Resources, writeAssembly } from './fixture/assembly.ts';

const dir = mkdtempSync(join(tmpdir(), 'cloud-assembly-'));
afterAll(() => rmSync(dir, { recursive: true }));
let made = 0;

/** The model of a hand-made assembly whose one stack `S` has these resources. */
const load = (resources: Resources, template: object = {}, environment?: string): CloudModel =>
  loadModel(writeAssembly(join(dir, `out-${made++}`), { resources, template, ...(environment && { environment }) }));

describe('an expression', () => {
  const scope = {
    ref: (name: string) => `<${name}>`,
    attribute: (id: string, name: string) => `<${id}.${name}>`,
    condition: (name: string) => ({ 'Fn::Equals': [name, 'Yes'] }),
  };
  it.each([
    [{ Ref: 'A' }, '<A>'],
    [{ 'Fn::GetAtt': ['A', 'Arn'] }, '<A.Arn>'],
    [{ 'Fn::GetAtt': 'A.Arn' }, '<A.Arn>'],
    [{ 'Fn::Join': ['-', ['a', { Ref: 'B' }, 3]] }, 'a-<B>-3'],
    [{ 'Fn::Split': [':', 'a:b'] }, ['a', 'b']],
    [{ 'Fn::Select': ['1', { 'Fn::Split': [':', { 'Fn::Join': [':', ['a', 'b']] }] }] }, 'b'],
    [{ 'Fn::Sub': '$' + '{A}/$' + '{B.Arn}/$' + '{!C}' }, '<A>/<B.Arn>/$' + '{C}'],
    [{ 'Fn::Sub': ['$' + '{x}$' + '{A}', { x: { Ref: 'Y' } }] }, '<Y><A>'],
    [{ 'Fn::If': ['Yes', 1, 2] }, 1],
    [{ 'Fn::If': ['No', 1, { Ref: 'A' }] }, '<A>'],
    [{ 'Fn::And': [{ Condition: 'Yes' }, { 'Fn::Not': [{ Condition: 'No' }] }] }, true],
    [{ 'Fn::Or': [{ Condition: 'No' }, { 'Fn::Equals': ['a', 'b'] }] }, false],
    [{ deep: [{ Ref: 'A' }, { x: { Ref: 'B' } }] }, { deep: ['<A>', { x: '<B>' }] }],
  ])('%j is %j', (value, expected) => {
    expect(resolveValue(value, scope)).toEqual(expected);
  });

  it.each(['Fn::ImportValue', 'Fn::FindInMap', 'Fn::Base64', 'Fn::Transform'])('%s is refused by name', (name) => {
    expect(() => resolveValue({ [name]: 'x' }, scope)).toThrow(
      expect.objectContaining({ code: 'INTRINSIC_UNSUPPORTED', message: `${name} is not emulated` }),
    );
  });

  it('that selects what is not there is refused', () => {
    expect(() => resolveValue({ 'Fn::Select': [2, ['a']] }, scope)).toThrow(
      expect.objectContaining({ code: 'INTRINSIC_INVALID' }),
    );
  });
});

describe('a model', () => {
  it('has names that stay, and ARNs of the environment', () => {
    const resources: Resources = {
      Packs: { Type: 'AWS::S3::Bucket' },
      Rows: {
        Type: 'AWS::DynamoDB::GlobalTable',
        Properties: {
          KeySchema: [{ AttributeName: 'k', KeyType: 'HASH' }],
          AttributeDefinitions: [],
          Replicas: [{ Region: 'x' }],
        },
      },
      Run: functionResource({
        Environment: { Variables: { PACKS: { Ref: 'Packs' }, ROWS: { 'Fn::GetAtt': ['Rows', 'Arn'] }, N: 7 } },
      }),
    };
    const model = load(resources, {}, 'aws://111122223333/eu-west-1');
    expect(model.buckets).toEqual(['s-packs']);
    expect(model.functions[0]).toMatchObject({
      name: 'S-Run',
      arn: 'arn:aws:lambda:eu-west-1:111122223333:function:S-Run',
      timeoutSeconds: 3,
      memoryMib: 128,
      environment: { PACKS: 's-packs', ROWS: 'arn:aws:dynamodb:eu-west-1:111122223333:table/S-Rows', N: '7' },
    });
    expect(load(resources, {}, 'aws://111122223333/eu-west-1')).toMatchObject({ tables: model.tables });
  });

  it('takes given names, and cuts long ones without losing what tells them apart', () => {
    const long = 'B'.repeat(70);
    const { buckets } = load({
      Given: {
        Type: 'AWS::S3::Bucket',
        Properties: { BucketName: { 'Fn::Join': ['-', ['my', { Ref: 'AWS::Region' }]] } },
      },
      [`${long}1`]: { Type: 'AWS::S3::Bucket' },
      [`${long}2`]: { Type: 'AWS::S3::Bucket' },
    });
    expect(buckets[0]).toBe('my-us-east-1');
    expect(new Set(buckets).size).toBe(3);
    for (const name of buckets) expect(name.length).toBeLessThanOrEqual(63);
  });

  it('leaves out what a condition or AWS::NoValue takes away', () => {
    const { buckets, functions } = load(
      {
        Never: { Type: 'AWS::S3::Bucket', Condition: 'InMoon' },
        Run: functionResource({ Timeout: { 'Fn::If': ['InMoon', 9, { Ref: 'AWS::NoValue' }] } }),
      },
      { Conditions: { InMoon: { 'Fn::Equals': [{ Ref: 'AWS::Region' }, 'moon-1'] } } },
    );
    expect(buckets).toEqual([]);
    expect(functions[0]?.timeoutSeconds).toBe(3);
  });

  it('has definitions parsed, their substitutions made', () => {
    const { machines } = load({
      Flow: {
        Type: 'AWS::StepFunctions::StateMachine',
        Properties: {
          DefinitionString: { 'Fn::Join': ['', ['{"StartAt":"$', '{first}","In":"', { Ref: 'AWS::Partition' }, '"}']] },
          DefinitionSubstitutions: { first: 'A' },
        },
      },
    });
    expect(machines).toEqual([
      {
        arn: 'arn:aws:states:us-east-1:000000000000:stateMachine:S-Flow',
        name: 'S-Flow',
        definition: { StartAt: 'A', In: 'aws' },
      },
    ]);
  });

  it('says what it ignores and why, and still gives it a name', () => {
    const model = load(
      { Key: { Type: 'AWS::KMS::Key' }, Log: { Type: 'AWS::Logs::LogGroup' } },
      { Outputs: { KeyArn: { Value: { 'Fn::GetAtt': ['Key', 'Arn'] } } } },
    );
    expect(Object.keys(model.ignored).sort()).toEqual(['AWS::KMS::Key', 'AWS::Logs::LogGroup']);
    expect(model.outputs).toEqual({ KeyArn: 'arn:aws:kms:us-east-1:000000000000:Key' });
  });
});

describe('an assembly is refused', () => {
  const api = { Type: 'AWS::ApiGateway::RestApi' };
  const apiMethod = (properties: object) => ({
    Type: 'AWS::ApiGateway::Method',
    Properties: { ResourceId: { 'Fn::GetAtt': ['Api', 'RootResourceId'] }, HttpMethod: 'GET', ...properties },
  });

  it.each<[string, Resources, string, RegExp]>([
    ['an unknown type', { Q: { Type: 'AWS::EC2::Instance' } }, 'RESOURCE_UNSUPPORTED', /^Q is a AWS::EC2::Instance/],
    ['a second API', { Api: api, Other: api }, 'RESOURCE_UNSUPPORTED', /Other/],
    ['an inline function', { F: functionResource({ Code: { ZipFile: 'x' } }) }, 'PROPERTY_UNSUPPORTED', /^F: /],
    [
      'a function of another language',
      { F: functionResource({ Runtime: 'python3.13' }) },
      'PROPERTY_UNSUPPORTED',
      /Runtime/,
    ],
    ['layers', { F: functionResource({ Layers: ['arn'] }) }, 'PROPERTY_UNSUPPORTED', /Layers/],
    [
      'code that is not there',
      { F: functionResource({ Code: { S3Bucket: 'b', S3Key: 'gone.zip' } }) },
      'ASSEMBLY_INVALID',
      /gone.zip/,
    ],
    [
      'a mock integration',
      { Api: api, M: apiMethod({ Integration: { Type: 'MOCK', Uri: 'x' } }) },
      'PROPERTY_UNSUPPORTED',
      /^M: .*Type/,
    ],
    [
      'an authorizer',
      { Api: api, M: apiMethod({ AuthorizationType: 'CUSTOM', Integration: { Type: 'AWS_PROXY', Uri: 'x' } }) },
      'PROPERTY_UNSUPPORTED',
      /AuthorizationType/,
    ],
    [
      'an express workflow',
      {
        W: {
          Type: 'AWS::StepFunctions::StateMachine',
          Properties: { DefinitionString: '{}', StateMachineType: 'EXPRESS' },
        },
      },
      'PROPERTY_UNSUPPORTED',
      /StateMachineType/,
    ],
    [
      'a definition that is not JSON',
      { W: { Type: 'AWS::StepFunctions::StateMachine', Properties: { DefinitionString: '{' } } },
      'ASSEMBLY_INVALID',
      /W is not JSON/,
    ],
    ['a reference to nothing', { F: functionResource({ Role: { Ref: 'Nobody' } }) }, 'INTRINSIC_INVALID', /Nobody/],
  ])('for %s', (_, resources, code, message) => {
    expect(() => load(resources)).toThrow(expect.objectContaining({ code, message: expect.stringMatching(message) }));
  });

  it('that is not there, or has no stack', () => {
    expect(() => loadModel(join(dir, 'nowhere'))).toThrow(expect.objectContaining({ code: 'ASSEMBLY_MISSING' }));
    const empty = join(dir, 'empty');
    mkdirSync(empty);
    writeFileSync(join(empty, 'manifest.json'), '{"artifacts":{}}');
    expect(() => loadModel(empty)).toThrow(expect.objectContaining({ code: 'ASSEMBLY_INVALID' }));
  });

  it('that points out of its directory', () => {
    const out = join(dir, 'escape');
    mkdirSync(out);
    const properties = { templateFile: '../empty/manifest.json' };
    const manifest = { artifacts: { S: { type: 'aws:cloudformation:stack', properties } } };
    writeFileSync(join(out, 'manifest.json'), JSON.stringify(manifest));
    expect(() => loadModel(out)).toThrow(
      expect.objectContaining({ code: 'ASSEMBLY_INVALID', message: expect.stringContaining('outside') }),
    );
  });
});
