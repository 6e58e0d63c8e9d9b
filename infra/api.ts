import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import {
  AccessLogFormat,
  AuthorizationType,
  EndpointType,
  LambdaIntegration,
  LogGroupLogDestination,
  MethodLoggingLevel,
  ResponseType,
  RestApi,
} from 'aws-cdk-lib/aws-apigateway';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';
import { type Route, routes } from '../core/api/routes.ts';
import { limits } from '../core/limits.ts';
import { acknowledge } from './acknowledge.ts';
import { createModel } from './api-model.ts';
import type { MoverFunction } from './function.ts';

export const STAGE = 'v1';

export interface ApiSettings {
  readonly logDays: number;
  readonly callsPerSecond: number;
  readonly callsBurst: number;
}

/** The REST API, method by method from the contract's table. Every call is signed. */
export function createApi(
  scope: Construct,
  functions: Readonly<Record<Route['function'], MoverFunction>>,
  { logDays, callsPerSecond, callsBurst }: ApiSettings,
): RestApi {
  const log = new LogGroup(scope, 'ApiLog', { retention: logDays, removalPolicy: RemovalPolicy.DESTROY });
  const api = new RestApi(scope, 'Api', {
    description: 'LayerMover: hosts, tasks, fingerprints, migrations, layers',
    endpointTypes: [EndpointType.REGIONAL],
    binaryMediaTypes: ['application/octet-stream'],
    deployOptions: {
      stageName: STAGE,
      accessLogDestination: new LogGroupLogDestination(log),
      accessLogFormat: AccessLogFormat.jsonWithStandardFields(),
      loggingLevel: MethodLoggingLevel.ERROR,
      throttlingRateLimit: callsPerSecond,
      throttlingBurstLimit: callsBurst,
    },
    // API Gateway may write logs only if the account has a role for that; it outlives the stack, as others may use it.
    cloudWatchRole: true,
    defaultMethodOptions: { authorizationType: AuthorizationType.IAM },
  });
  // The stack names its own output.
  api.node.tryRemoveChild('Endpoint');
  const validator = api.addRequestValidator('Bodies', { validateRequestBody: true });
  for (const [name, route] of Object.entries<Route>(routes)) {
    const integration = new LambdaIntegration(functions[route.function].lambda, {
      allowTestInvoke: false,
      timeout: Duration.seconds(limits.api_seconds_max),
    });
    const body = createModel(api, name, route);
    const checked =
      body === undefined ? {} : { requestModels: { 'application/json': body }, requestValidator: validator };
    api.root.resourceForPath(route.path).addMethod(route.method, integration, checked);
  }
  refuseAsFunctionsDo(api);
  acknowledge(api, 'AwsSolutions-APIG2', 'Every call with a JSON body has a model and a validator of its own.');
  acknowledge(api, 'AwsSolutions-APIG3', 'Unsigned calls reach no function; a web ACL can be attached to the stage.');
  acknowledge(
    api,
    'AwsSolutions-COG4',
    'Callers are hosts and operators with IAM identities: AWS_IAM authorises them.',
  );
  acknowledge(
    api,
    'AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs]',
    'The role by which API Gateway writes logs is the one that AWS made for it.',
  );
  return api;
}

/** A body that the gateway itself refuses is answered as a function would: problem details with a code (RFC 9457). */
function refuseAsFunctionsDo(api: RestApi): void {
  const problem = {
    type: 'urn:layermover:error:BODY_INVALID',
    title: 'Bad Request',
    status: 400,
    code: 'BODY_INVALID',
    detail: '$context.error.validationErrorString',
  };
  api.addGatewayResponse('BodyRefused', {
    type: ResponseType.BAD_REQUEST_BODY,
    statusCode: '400',
    responseHeaders: { 'Content-Type': "'application/problem+json'" },
    templates: { 'application/json': JSON.stringify(problem) },
  });
}
