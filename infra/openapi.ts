import * as z from 'zod';
import * as agent from '../core/api/agent.ts';
import { statusOfCode } from '../core/api/codes.ts';
import * as garbage from '../core/api/garbage.ts';
import * as matches from '../core/api/matches.ts';
import { NAMESPACE_HEADER, namespaceName } from '../core/api/names.ts';
import * as rebuild from '../core/api/rebuild.ts';
import * as registrations from '../core/api/registrations.ts';
import { type Route, routes } from '../core/api/routes.ts';
import * as views from '../core/api/views.ts';

const COMPONENTS = '#/components/schemas/';

/**
 * The API's contract as an OpenAPI 3.1 document, made from the schemas by which the functions check what they are sent.
 * Source: OpenAPI Specification 3.1.1.
 */
export function openApiDocument(version: string) {
  const names = registry();
  const { schemas } = z.toJSONSchema(names, { io: 'input', unrepresentable: 'any', uri: (id) => COMPONENTS + id });
  return {
    openapi: '3.1.1',
    info: {
      title: 'LayerMover',
      version,
      description:
        'Moves the storage of virtual machines between data centres. Calls are signed (AWS Signature Version 4).',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [
      { url: '{api}', variables: { api: { default: 'https://example.invalid/v1', description: 'The output ApiUrl' } } },
    ],
    security: [{ sigv4: [] }],
    paths: pathsOf(names),
    components: {
      schemas: Object.fromEntries(Object.entries(schemas).map(([id, schema]) => [id, plain(schema)])),
      securitySchemes: {
        sigv4: {
          type: 'apiKey',
          name: 'Authorization',
          in: 'header',
          description: 'AWS Signature Version 4, service execute-api',
          'x-amazon-apigateway-authtype': 'awsSigv4',
        },
      },
    },
  };
}

type Names = ReturnType<typeof registry>;

/** Every schema of the contract under the name that it is exported by. */
function registry() {
  const names = z.registry<{ id: string }>();
  const modules = { ...agent, ...views, ...rebuild, ...garbage, ...registrations, ...matches };
  for (const [name, schema] of Object.entries(modules)) {
    if (schema instanceof z.ZodType) names.add(schema, { id: `${name[0]!.toUpperCase()}${name.slice(1)}` });
  }
  return names;
}

function pathsOf(names: Names) {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const [name, route] of Object.entries<Route>(routes)) {
    paths[route.path] = { ...paths[route.path], [route.method.toLowerCase()]: operation(names, name, route) };
  }
  return paths;
}

function operation(names: Names, name: string, { path, function: tag, summary, body, query, answer }: Route) {
  return {
    operationId: name,
    summary,
    tags: [tag],
    parameters: [...pathParameters(path), ...queryParameters(query), namespaceParameter],
    ...(body === undefined ? {} : { requestBody: { required: true, content: contentOf(names, body) } }),
    responses: {
      200: { description: 'Done', content: contentOf(names, answer) },
      default: {
        description: problems(),
        content: { 'application/problem+json': { schema: refTo(names, views.problem) } },
      },
    },
  };
}

function pathParameters(path: string) {
  return [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => {
    return { name, in: 'path', required: true, schema: { type: 'string' } };
  });
}

function queryParameters(query: z.ZodType | undefined) {
  if (query === undefined) return [];
  const { properties = {}, required = [] } = z.toJSONSchema(query, { io: 'input', unrepresentable: 'any' });
  return Object.entries(properties).map(([name, schema]) => {
    return { name, in: 'query', required: required.includes(name), schema };
  });
}

const namespaceParameter = {
  name: NAMESPACE_HEADER,
  in: 'header',
  required: false,
  description: 'Who may share chunks',
  schema: plain(z.toJSONSchema(namespaceName)),
};

function contentOf(names: Names, schema: z.ZodType | 'binary') {
  if (schema === 'binary') return { 'application/octet-stream': {} };
  return { 'application/json': { schema: refTo(names, schema) } };
}

function refTo(names: Names, schema: z.ZodType) {
  const id = names.get(schema)?.id;
  if (id === undefined) throw new Error('a schema of the contract is not exported');
  return { $ref: COMPONENTS + id };
}

/** A schema without what only says which document it is. */
function plain({ $schema, $id, ...schema }: Record<string, unknown>) {
  return schema;
}

function problems(): string {
  const codes = Map.groupBy(Object.entries(statusOfCode), ([, status]) => status);
  const lines = [...codes].map(([status, pairs]) => `${status}: ${pairs.map(([code]) => code).join(', ')}`);
  return `Problem details (RFC 9457) with a stable code. ${lines.join('. ')}. 500: INTERNAL`;
}
