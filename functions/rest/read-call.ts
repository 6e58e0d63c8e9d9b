import type { APIGatewayProxyEvent } from 'aws-lambda';
import * as z from 'zod';
import { collectionId } from '../../core/api/garbage.ts';
import {
  DEFAULT_NAMESPACE,
  digest,
  migrationId,
  NAMESPACE_HEADER,
  namespaceName,
  ownNamespace,
  placeName,
  taskId,
} from '../../core/api/names.ts';
import type { Route } from '../../core/api/routes.ts';
import { bytesOf, jsonOf } from './body.ts';
import { callerOf } from './caller.ts';
import { check } from './check.ts';

/** The forms of the names that paths carry. */
const pathNames = {
  site: placeName,
  host: placeName,
  task: taskId,
  migration: migrationId,
  layer: digest,
  collection: collectionId,
};
const pathSchema = z.object(pathNames).partial();

/** Reads a proxy event of API Gateway (REST, format 1.0) as a call of `route`; refuses whatever the contract does not allow. */
export function readCall(route: Route, event: APIGatewayProxyEvent) {
  return {
    namespace: check(
      route.keeps ? namespaceName : ownNamespace,
      headerOf(event, NAMESPACE_HEADER) ?? DEFAULT_NAMESPACE,
      'namespace',
    ),
    caller: callerOf(event.requestContext.identity.userArn),
    path: check(pathSchema, event.pathParameters ?? {}, 'path'),
    query: route.query && check(route.query, event.queryStringParameters ?? {}, 'query'),
    body: bodyOf(route, event),
  };
}

function bodyOf(route: Route, event: APIGatewayProxyEvent): unknown {
  if (route.body === undefined) return undefined;
  const bytes = bytesOf(event);
  return route.body === 'binary' ? bytes : check(route.body, jsonOf(bytes), 'body');
}

/** Header names come as the client wrote them. */
function headerOf(event: APIGatewayProxyEvent, name: string): string | undefined {
  return Object.entries(event.headers ?? {}).find(([key]) => key.toLowerCase() === name)?.[1];
}
