import * as z from 'zod';
import { CloudError } from '../errors.ts';
import { limits } from '../limits.ts';
import type { ApiModel, MethodModel } from './model.ts';
import { parseProperties } from './properties.ts';
import type { ResolvedResource, ResolvedTemplate } from './scope.ts';

const apiProperties = z.object({
  BinaryMediaTypes: z.array(z.string()).default([]),
  Body: z.undefined().optional(),
  BodyS3Location: z.undefined().optional(),
});
const stageProperties = z.object({ Variables: z.record(z.string(), z.string()).optional() });
const resourceProperties = z.object({ ParentId: z.string(), PathPart: z.string() });
const methodProperties = z.object({
  ResourceId: z.string(),
  HttpMethod: z.string(),
  AuthorizationType: z.enum(['AWS_IAM', 'NONE']).default('NONE'),
  ApiKeyRequired: z.literal(false).optional(),
  Integration: z.object({
    Type: z.literal('AWS_PROXY'),
    Uri: z.string().regex(/\/functions\/.+\/invocations$/),
    TimeoutInMillis: z.number().max(limits.api_integration_ms_default).default(limits.api_integration_ms_default),
  }),
});

/** The template's REST API, if it has one; two would share the paths of one server. */
export function loadApi(template: ResolvedTemplate): ApiModel | undefined {
  const [api, ...others] = template.ofType('AWS::ApiGateway::RestApi');
  if (api === undefined) return undefined;
  if (others.length > 0) {
    const hint = 'Put the methods under one RestApi.';
    throw new CloudError('RESOURCE_UNSUPPORTED', `${others[0]?.logicalId} is a second REST API`, hint);
  }
  const paths = resourcePaths(api, template.ofType('AWS::ApiGateway::Resource'));
  return {
    id: api.identity.ref,
    binaryMediaTypes: parseProperties(apiProperties, api).BinaryMediaTypes,
    stages: template.ofType('AWS::ApiGateway::Stage').map((stage) => ({
      name: stage.identity.ref,
      variables: parseProperties(stageProperties, stage).Variables,
    })),
    methods: template.ofType('AWS::ApiGateway::Method').map((method) => loadMethod(method, paths)),
  };
}

/** Resource id → path, from the tree that ParentId makes. */
function resourcePaths(api: ResolvedResource, resources: readonly ResolvedResource[]): Map<string, string> {
  const nodes = new Map(resources.map((r) => [r.identity.ref, parseProperties(resourceProperties, r)]));
  const root = api.identity.attributes.RootResourceId ?? '';
  const pathOf = (id: string): string => {
    const node = nodes.get(id);
    return node === undefined ? '' : `${pathOf(node.ParentId)}/${node.PathPart}`;
  };
  return new Map([[root, '/'], ...[...nodes.keys()].map((id) => [id, pathOf(id)] as const)]);
}

function loadMethod(method: ResolvedResource, paths: Map<string, string>): MethodModel {
  const properties = parseProperties(methodProperties, method);
  return {
    resourceId: properties.ResourceId,
    resourcePath: paths.get(properties.ResourceId) ?? '/',
    httpMethod: properties.HttpMethod,
    authorization: properties.AuthorizationType,
    functionArn: properties.Integration.Uri.replace(/^.*\/functions\//, '').replace(/\/invocations$/, ''),
    timeoutMs: properties.Integration.TimeoutInMillis,
  };
}
