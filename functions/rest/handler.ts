import type { APIGatewayProxyEvent, APIGatewayProxyResult } from 'aws-lambda';
import type { CloudPorts } from '../../adapters/cloud-ports.ts';
import { type Route, type RouteName, routes } from '../../core/api/routes.ts';
import { LayerMoverError } from '../../core/errors.ts';
import { requireNamespace } from '../agents/access.ts';
import type { Telling } from '../cloud.ts';
import { refusalOf } from '../log.ts';
import { aboutAnswer, aboutCall } from './about.ts';
import type { CallsOf } from './call.ts';
import { readCall } from './read-call.ts';
import { isTold, problemReply, reply } from './reply.ts';

export type RestHandler = (event: APIGatewayProxyEvent) => Promise<APIGatewayProxyResult>;

/** The table knows which call belongs to which route; a single call does not. */
type AnyCall = (call: ReturnType<typeof readCall>) => Promise<unknown>;

interface Entry {
  readonly name: RouteName;
  readonly route: Route;
  readonly call: AnyCall;
}

export interface RestDeps extends Pick<CloudPorts, 'hosts'>, Pick<Telling, 'log'> {}

/**
 * A Lambda handler that answers the routes of the function `name` in the API's contract. Calls that are made for a host ask
 * for that host's identity themselves; any other is refused to an identity that is bound to another namespace.
 */
export function createRestHandler<F extends Route['function']>(
  name: F,
  calls: CallsOf<F>,
  { hosts, log }: RestDeps,
): RestHandler {
  const table = new Map<string, Entry>();
  for (const [key, route] of Object.entries<Route>(routes)) {
    if (route.function !== name) continue;
    const call = calls[key as keyof CallsOf<F>] as AnyCall;
    table.set(`${route.method} ${route.path}`, { name: key as RouteName, route, call });
  }

  return async (event) => {
    const asked = `${event.httpMethod} ${event.resource}`;
    log.about({ request: event.requestContext.requestId, call: asked });
    try {
      const found = table.get(asked);
      if (found === undefined) throw new LayerMoverError('NOT_FOUND', `there is no ${asked} here`);
      return reply(await answer(found, event));
    } catch (error) {
      if (isTold(error)) log.warn('refused', refusalOf(error));
      else log.error('failed', error);
      return problemReply(error, event.requestContext.requestId);
    }
  };

  async function answer({ name: route, ...found }: Entry, event: APIGatewayProxyEvent): Promise<unknown> {
    const call = readCall(found.route, event);
    log.about({ call: route, ...aboutCall(call) });
    if (found.route.by !== 'host') await requireNamespace({ hosts }, call);
    const answered = await found.call(call);
    // What only reads, and polls, are not worth a line each time.
    if (found.route.method !== 'GET' && route !== 'poll') log.info('answered', aboutAnswer(route, answered));
    return answered;
  }
}
