import { Duration } from 'aws-cdk-lib';
import { AuthorizationType, EndpointType, LambdaIntegration, RestApi } from 'aws-cdk-lib/aws-apigateway';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import type { Construct } from 'constructs';
import { type Route, routes } from '../core/api/routes.ts';
import { limits } from '../core/limits.ts';

export const STAGE = 'v1';

/** The REST API, method by method from the contract's table. Every call is signed. */
export function createApi(scope: Construct, functions: Readonly<Record<Route['function'], IFunction>>): RestApi {
  const api = new RestApi(scope, 'Api', {
    description: 'LayerMover: hosts, tasks, fingerprints, migrations, layers',
    endpointTypes: [EndpointType.REGIONAL],
    binaryMediaTypes: ['application/octet-stream'],
    deployOptions: { stageName: STAGE },
    cloudWatchRole: false,
    defaultMethodOptions: { authorizationType: AuthorizationType.IAM },
  });
  // The stack names its own output.
  api.node.tryRemoveChild('Endpoint');
  for (const route of Object.values<Route>(routes)) {
    const integration = new LambdaIntegration(functions[route.function], {
      allowTestInvoke: false,
      timeout: Duration.seconds(limits.api_seconds_max),
    });
    api.root.resourceForPath(route.path).addMethod(route.method, integration);
  }
  return api;
}
