import type { APIGatewayProxyEvent } from 'aws-lambda';
import { createApiClient } from '../../adapters/api/client.ts';
import { createMemoryCloud } from '../../adapters/memory/cloud.ts';
import { systemClock } from '../../adapters/system/clock.ts';
import { DEFAULT_NAMESPACE } from '../../core/api/names.ts';
import { type Route, routes } from '../../core/api/routes.ts';
import { createHandler as createFingerprints } from '../../functions/fingerprints/handler.ts';
import { createHandler as createGarbage } from '../../functions/garbage/handler.ts';
import { createHandler as createHosts } from '../../functions/hosts/handler.ts';
import { createHandler as createLayers } from '../../functions/layers/handler.ts';
import { createHandler as createMigrations } from '../../functions/migrations/handler.ts';
import { createHandler as createRebuild } from '../../functions/rebuild/handler.ts';
import type { RestHandler } from '../../functions/rest/handler.ts';
import { createHandler as createSteps } from '../../functions/steps/handler.ts';
import { createHandler as createTasks } from '../../functions/tasks/handler.ts';
import { createTelling } from '../functions/support/telling.ts';
import { hastyClock } from './support.ts';

export type LocalCloud = ReturnType<typeof createLocalCloud>;

/** The functions themselves over a cloud in memory, reached by the real API client. */
export function createLocalCloud() {
  const ports = createMemoryCloud(systemClock);
  const errors: unknown[] = [];
  const { log, measure } = createTelling(errors);
  const deps = { ...ports, clock: systemClock, sampling: 1, log, measure };
  const handlers: Record<Route['function'], RestHandler> = {
    hosts: createHosts(deps),
    tasks: createTasks(deps),
    fingerprints: createFingerprints(deps),
    migrations: createMigrations(deps),
    layers: createLayers(deps),
    garbage: createGarbage(deps),
    rebuild: createRebuild(deps),
  };
  /** What a test does to a call before it is answered, or instead. */
  const hooks: { before?: (call: { method: string; path: string; body: string }) => void | Promise<void> } = {};

  async function answer(request: Request): Promise<Response> {
    const url = new URL(request.url);
    const body = Buffer.from(await request.arrayBuffer());
    await hooks.before?.({ method: request.method, path: url.pathname, body: body.toString('latin1') });
    const { route, params } = routeOf(request.method, url.pathname);
    const event = {
      httpMethod: request.method,
      resource: route.path,
      path: url.pathname,
      pathParameters: params,
      queryStringParameters: Object.fromEntries(url.searchParams),
      headers: Object.fromEntries(request.headers),
      body: body.toString('base64'),
      isBase64Encoded: true,
      requestContext: { identity: { userArn: 'arn:aws:iam::000000000000:user/agents' } },
    } as unknown as APIGatewayProxyEvent;
    const result = await handlers[route.function](event);
    const answered = Buffer.from(result.body, result.isBase64Encoded ? 'base64' : 'utf8');
    return new Response(answered, { status: result.statusCode });
  }

  const apiOf = (namespace: string) =>
    createApiClient({
      url: 'http://cloud.test',
      region: 'eu-central-1',
      namespace,
      credentials: { accessKeyId: 'id', secretAccessKey: 'secret' },
      clock: hastyClock,
      fetch: (request) => answer(request as Request),
    });
  return { ports, api: apiOf(DEFAULT_NAMESPACE), apiOf, errors, hooks, step: createSteps(deps) };
}

function routeOf(method: string, path: string): { route: Route; params: Record<string, string> } {
  for (const route of Object.values<Route>(routes)) {
    const pattern = route.path.replace(/\{(\w+)\}/g, '(?<$1>[^/]+)');
    const match = route.method === method ? new RegExp(`^${pattern}$`).exec(path) : null;
    if (match === null) continue;
    const params = Object.entries(match.groups ?? {}).map(([name, value]) => [name, decodeURIComponent(value)]);
    return { route, params: Object.fromEntries(params) };
  }
  throw new Error(`no route ${method} ${path}`);
}
