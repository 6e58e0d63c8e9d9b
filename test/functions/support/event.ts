import type { APIGatewayProxyEvent } from 'aws-lambda';
import { type Route, type RouteName, routes } from '../../../core/api/routes.ts';

export const ACCOUNT = '123456789012';

/** The ARN of a user, as API Gateway tells it of a signed request. */
export function userArn(name: string): string {
  return `arn:aws:iam::${ACCOUNT}:user/${name}`;
}

export interface Asked {
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string | number>>;
  readonly body?: unknown;
  readonly caller?: string | null;
  readonly headers?: Readonly<Record<string, string>>;
}

/** The proxy event that the gateway makes of a call of a route. */
export function eventOf(name: RouteName, asked: Asked = {}): APIGatewayProxyEvent {
  const route: Route = routes[name];
  const { params = {}, query, headers = {}, caller = userArn('someone') } = asked;
  return {
    resource: route.path,
    path: route.path.replace(/\{(\w+)\}/g, (_, key: string) => params[key] ?? ''),
    httpMethod: route.method,
    headers: { ...headers },
    multiValueHeaders: {},
    queryStringParameters: query ? Object.fromEntries(Object.entries(query).map(([k, v]) => [k, String(v)])) : null,
    multiValueQueryStringParameters: null,
    pathParameters: { ...params },
    stageVariables: null,
    requestContext: {
      requestId: `request-of-${name}`,
      identity: { userArn: caller },
    } as APIGatewayProxyEvent['requestContext'],
    ...bodyOf(asked.body),
  };
}

function bodyOf(body: unknown): { body: string | null; isBase64Encoded: boolean } {
  if (body === undefined) return { body: null, isBase64Encoded: false };
  if (body instanceof Uint8Array) return { body: Buffer.from(body).toString('base64'), isBase64Encoded: true };
  return { body: typeof body === 'string' ? body : JSON.stringify(body), isBase64Encoded: false };
}
