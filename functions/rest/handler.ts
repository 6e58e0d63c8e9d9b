import type { APIGatewayProxyEvent, APIGatewayProxyResult } from 'aws-lambda';
import { type Route, routes } from '../../core/api/routes.ts';
import { LayerMoverError } from '../../core/errors.ts';
import type { HostRegistry } from '../../core/ports.ts';
import { requireNamespace } from '../agents/access.ts';
import type { LogError } from '../log.ts';
import type { CallsOf } from './call.ts';
import { readCall } from './read-call.ts';
import { isTold, problemReply, reply } from './reply.ts';

export type RestHandler = (event: APIGatewayProxyEvent) => Promise<APIGatewayProxyResult>;

/** The table knows which call belongs to which route; a single call does not. */
type AnyCall = (call: ReturnType<typeof readCall>) => Promise<unknown>;

export interface RestDeps {
  readonly hosts: HostRegistry;
  readonly logError: LogError;
}

/**
 * A Lambda handler that answers the routes of the function `name` in the API's contract. Calls that are made for a host ask
 * for that host's identity themselves; any other is refused to an identity that is bound to another namespace.
 */
export function createRestHandler<F extends Route['function']>(
  name: F,
  calls: CallsOf<F>,
  { hosts, logError }: RestDeps,
): RestHandler {
  const table = new Map<string, { readonly route: Route; readonly call: AnyCall }>();
  for (const [key, route] of Object.entries<Route>(routes)) {
    if (route.function !== name) continue;
    table.set(`${route.method} ${route.path}`, { route, call: calls[key as keyof CallsOf<F>] as AnyCall });
  }

  return async (event) => {
    const asked = `${event.httpMethod} ${event.resource}`;
    try {
      const found = table.get(asked);
      if (found === undefined) throw new LayerMoverError('NOT_FOUND', `there is no ${asked} here`);
      const call = readCall(found.route, event);
      if (found.route.by !== 'host') await requireNamespace({ hosts }, call);
      return reply(await found.call(call));
    } catch (error) {
      if (!isTold(error)) logError(error, { call: asked, path: event.path });
      return problemReply(error);
    }
  };
}
