import * as z from 'zod';
import { CloudError } from '../errors.ts';
import { limits } from '../limits.ts';
import { loadApi } from './api.ts';
import { type Assembly, readAssembly, type Template } from './assembly.ts';
import { ignored } from './identity.ts';
import type { CloudModel, FunctionModel, MachineModel, TableModel } from './model.ts';
import { parseProperties } from './properties.ts';
import { loadRules } from './rules.ts';
import { type ResolvedResource, resolveTemplate } from './scope.ts';

/**
 * Reads the assembly in `dir` and says what it declares.
 * @throws CloudError ASSEMBLY_MISSING, ASSEMBLY_INVALID, RESOURCE_UNSUPPORTED, PROPERTY_UNSUPPORTED, INTRINSIC_UNSUPPORTED,
 * INTRINSIC_INVALID
 */
export function loadModel(dir: string): CloudModel {
  const assembly = readAssembly(dir);
  const { stackName, account, region } = assembly;
  const template = resolveTemplate(assembly.template, { stackName, account, region });
  return {
    stackName,
    account,
    region,
    buckets: template.ofType('AWS::S3::Bucket').map(({ identity }) => identity.ref),
    buses: template.ofType('AWS::Events::EventBus').map(({ identity }) => identity.ref),
    rules: loadRules(template),
    tellingBuckets: template
      .ofType('AWS::S3::Bucket')
      .filter(tells)
      .map(({ identity }) => identity.ref),
    roleArns: template.ofType('AWS::IAM::Role').map(({ identity }) => identity.attributes.Arn ?? ''),
    tables: template.ofType('AWS::DynamoDB::Table', 'AWS::DynamoDB::GlobalTable').map(loadTable),
    functions: template.ofType('AWS::Lambda::Function').map((resource) => loadFunction(resource, assembly)),
    machines: template.ofType('AWS::StepFunctions::StateMachine').map(loadMachine),
    api: loadApi(template),
    outputs: template.outputs,
    ignored: ignoredTypes(assembly.template),
  };
}

const bucketProperties = z.object({
  NotificationConfiguration: z
    .object({ EventBridgeConfiguration: z.object({ EventBridgeEnabled: z.boolean().default(true) }).optional() })
    .optional(),
});

function tells(resource: ResolvedResource): boolean {
  const { NotificationConfiguration } = parseProperties(bucketProperties, resource);
  return NotificationConfiguration?.EventBridgeConfiguration?.EventBridgeEnabled ?? false;
}

function ignoredTypes({ Resources }: Template): Record<string, string> {
  const types = new Set(Object.values(Resources).map(({ Type }) => Type));
  return Object.fromEntries(Object.entries(ignored).filter(([type]) => types.has(type)));
}

const keySchema = z.array(z.object({ AttributeName: z.string(), KeyType: z.string() }));
const indexes = z.array(
  z.object({
    IndexName: z.string(),
    KeySchema: keySchema,
    Projection: z.object({ ProjectionType: z.string().optional(), NonKeyAttributes: z.array(z.string()).optional() }),
  }),
);
const tableProperties = z.object({
  KeySchema: keySchema,
  AttributeDefinitions: z.array(z.object({ AttributeName: z.string(), AttributeType: z.string() })),
  GlobalSecondaryIndexes: indexes.optional(),
  LocalSecondaryIndexes: indexes.optional(),
});

function loadTable(resource: ResolvedResource): TableModel {
  return { TableName: resource.identity.ref, ...parseProperties(tableProperties, resource) };
}

const functionProperties = z.object({
  Code: z.strictObject({ S3Bucket: z.string(), S3Key: z.string() }),
  Handler: z.string(),
  Runtime: z.string().regex(/^nodejs/),
  Role: z.string(),
  Timeout: z.number().default(limits.lambda_timeout_s_default),
  MemorySize: z.number().default(limits.lambda_memory_mib_default),
  ReservedConcurrentExecutions: z.number().optional(),
  Environment: z.object({ Variables: z.record(z.string(), z.coerce.string()).default({}) }).default({ Variables: {} }),
  Layers: z.undefined().optional(),
});

function loadFunction(resource: ResolvedResource, assembly: Assembly): FunctionModel {
  const properties = parseProperties(functionProperties, resource);
  return {
    name: resource.identity.ref,
    arn: resource.identity.attributes.Arn ?? '',
    codeDir: assembly.codeDir(properties.Code.S3Key),
    handler: properties.Handler,
    timeoutSeconds: properties.Timeout,
    memoryMib: properties.MemorySize,
    concurrency: properties.ReservedConcurrentExecutions,
    environment: properties.Environment.Variables,
    roleArn: properties.Role,
  };
}

const machineProperties = z.object({
  DefinitionString: z.string(),
  DefinitionSubstitutions: z.record(z.string(), z.coerce.string()).default({}),
  StateMachineType: z.literal('STANDARD').optional(),
});

function loadMachine(resource: ResolvedResource): MachineModel {
  const { DefinitionString, DefinitionSubstitutions } = parseProperties(machineProperties, resource);
  const text = Object.entries(DefinitionSubstitutions).reduce(
    (definition, [name, value]) => definition.replaceAll(`\${${name}}`, value),
    DefinitionString,
  );
  try {
    const { ref, attributes } = resource.identity;
    return { arn: ref, name: attributes.Name ?? '', definition: JSON.parse(text) };
  } catch (error) {
    const message = `the definition of ${resource.logicalId} is not JSON`;
    throw new CloudError('ASSEMBLY_INVALID', message, 'Look at its DefinitionString in the template.', error);
  }
}
