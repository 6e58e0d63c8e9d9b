import { createHash } from 'node:crypto';
import { CloudError } from '../errors.ts';

/** Where a stack lives: what makes its physical names. */
export interface Place {
  readonly account: string;
  readonly region: string;
  readonly stackName: string;
}

/** What `Ref` and `Fn::GetAtt` yield for a resource. */
export interface Identity {
  readonly ref: string;
  readonly attributes: Readonly<Record<string, string>>;
}

/** The resource's own name property, already resolved, if the template gives one. */
type Identify = (place: Place, logicalId: string, given: string | undefined) => Identity;

const ROLE_NAME_MAX = 64;
const FUNCTION_NAME_MAX = 64;
const BUCKET_NAME_MAX = 63;
const MACHINE_NAME_MAX = 80;
const TABLE_NAME_MAX = 255;
const BUS_NAME_MAX = 256;
const RULE_NAME_MAX = 64;
const QUEUE_NAME_MAX = 80;

const identifyTable: Identify = (place, id, given) => {
  const name = given ?? physicalName(place, id, TABLE_NAME_MAX);
  return { ref: name, attributes: { Arn: arn(place, 'dynamodb', `table/${name}`) } };
};

/** The resource types that the embedded cloud stands up, and how each is known to the others. */
export const emulated: Readonly<Record<string, Identify>> = {
  'AWS::S3::Bucket': (place, id, given) => {
    const name = given ?? physicalName(place, id, BUCKET_NAME_MAX).toLowerCase();
    const domain = `${name}.s3.${place.region}.amazonaws.com`;
    return {
      ref: name,
      attributes: { Arn: `arn:aws:s3:::${name}`, DomainName: `${name}.s3.amazonaws.com`, RegionalDomainName: domain },
    };
  },
  'AWS::DynamoDB::Table': identifyTable,
  'AWS::DynamoDB::GlobalTable': identifyTable,
  'AWS::Lambda::Function': (place, id, given) => {
    const name = given ?? physicalName(place, id, FUNCTION_NAME_MAX);
    return { ref: name, attributes: { Arn: arn(place, 'lambda', `function:${name}`) } };
  },
  'AWS::StepFunctions::StateMachine': (place, id, given) => {
    const name = given ?? physicalName(place, id, MACHINE_NAME_MAX);
    const machineArn = arn(place, 'states', `stateMachine:${name}`);
    return { ref: machineArn, attributes: { Arn: machineArn, Name: name } };
  },
  'AWS::ApiGateway::RestApi': (place, id) => {
    const apiId = shortId(place, id, 10);
    return { ref: apiId, attributes: { RestApiId: apiId, RootResourceId: shortId(place, `${id}/`, 10) } };
  },
  'AWS::ApiGateway::Resource': (place, id) => {
    const resourceId = shortId(place, id, 6);
    return { ref: resourceId, attributes: { ResourceId: resourceId } };
  },
  'AWS::ApiGateway::Method': (place, id) => ({ ref: shortId(place, id, 6), attributes: {} }),
  'AWS::ApiGateway::Stage': (_, id, given) => ({ ref: given ?? id, attributes: {} }),
  'AWS::Events::EventBus': (place, id, given) => {
    const name = given ?? physicalName(place, id, BUS_NAME_MAX);
    return { ref: name, attributes: { Arn: arn(place, 'events', `event-bus/${name}`), Name: name } };
  },
  'AWS::Events::Rule': (place, id) => {
    const name = physicalName(place, id, RULE_NAME_MAX);
    return { ref: name, attributes: { Arn: arn(place, 'events', `rule/${name}`) } };
  },
  'AWS::SQS::Queue': (place, id, given) => {
    const name = given ?? physicalName(place, id, QUEUE_NAME_MAX);
    const url = `https://sqs.${place.region}.amazonaws.com/${place.account}/${name}`;
    return { ref: url, attributes: { Arn: arn(place, 'sqs', name), QueueName: name, QueueUrl: url } };
  },
  'AWS::IAM::Role': (place, id, given) => {
    const name = given ?? physicalName(place, id, ROLE_NAME_MAX);
    return {
      ref: name,
      attributes: {
        Arn: `arn:aws:iam::${place.account}:role/${name}`,
        RoleId: `AROA${shortId(place, id, 17).toUpperCase()}`,
      },
    };
  },
};

/** The property that names a resource of an emulated type, where that is not its logical id's business. */
export const nameProperty: Readonly<Record<string, string>> = {
  'AWS::S3::Bucket': 'BucketName',
  'AWS::DynamoDB::Table': 'TableName',
  'AWS::DynamoDB::GlobalTable': 'TableName',
  'AWS::Lambda::Function': 'FunctionName',
  'AWS::StepFunctions::StateMachine': 'StateMachineName',
  'AWS::ApiGateway::Stage': 'StageName',
  'AWS::Events::EventBus': 'Name',
  'AWS::IAM::Role': 'RoleName',
};

const NO_IAM = 'permissions are not enforced here; signatures and session policies are';
const NO_OPERATIONS = 'there is nothing to watch over';

/** The resource types that change nothing here, each with the reason. */
export const ignored: Readonly<Record<string, string>> = {
  'AWS::CDK::Metadata': 'tells AWS which constructs an app uses',
  'AWS::IAM::Policy': NO_IAM,
  'AWS::IAM::ManagedPolicy': NO_IAM,
  'AWS::Lambda::Permission': NO_IAM,
  'AWS::S3::BucketPolicy': NO_IAM,
  'AWS::Events::EventBusPolicy': NO_IAM,
  'AWS::SQS::QueuePolicy': NO_IAM,
  'AWS::Logs::ResourcePolicy': NO_IAM,
  'AWS::KMS::Key': 'data at rest is as safe as the disk it lies on',
  'AWS::KMS::Alias': 'data at rest is as safe as the disk it lies on',
  'AWS::Logs::LogGroup': 'logs are files in the data directory',
  'AWS::Logs::MetricFilter': NO_OPERATIONS,
  'AWS::CloudWatch::Alarm': NO_OPERATIONS,
  'AWS::CloudWatch::CompositeAlarm': NO_OPERATIONS,
  'AWS::CloudWatch::Dashboard': NO_OPERATIONS,
  'AWS::ApiGateway::Account': 'only says where API logs go',
  'AWS::ApiGateway::Deployment': 'methods are served as the template has them',
  'AWS::ApiGateway::Model': 'request bodies are not validated before the function sees them',
  'AWS::ApiGateway::GatewayResponse': 'functions refuse bodies themselves, in the same words',
  'AWS::ApiGateway::RequestValidator': 'request bodies are not validated before the function sees them',
  'AWS::Lambda::EventInvokeConfig': 'events are delivered as their rule’s target says',
};

/** What the rest of the template may know of an ignored resource: a name and an ARN that lead nowhere. */
export const identifyIgnored = (type: string, place: Place, logicalId: string): Identity => {
  const service = (type.split('::')[1] ?? 'unknown').toLowerCase();
  return { ref: logicalId, attributes: { Arn: arn(place, service, logicalId) } };
};

/** Refuses a type that is neither emulated nor ignored, by its name: a silent gap would look like working software. */
export function assertKnownType(logicalId: string, type: string): void {
  if (Object.hasOwn(emulated, type) || Object.hasOwn(ignored, type)) return;
  const hint = `Emulated: ${Object.keys(emulated).join(', ')}. Ignored: ${Object.keys(ignored).join(', ')}.`;
  throw new CloudError(
    'RESOURCE_UNSUPPORTED',
    `${logicalId} is a ${type}, which the embedded cloud does not know`,
    hint,
  );
}

/** A name that a restart yields again, as long as the stack and the construct keep theirs. */
function physicalName(place: Place, logicalId: string, lengthMax: number): string {
  const name = `${place.stackName}-${logicalId}`;
  if (name.length <= lengthMax) return name;
  return `${name.slice(0, lengthMax - 9)}-${shortId(place, logicalId, 8)}`;
}

function shortId(place: Place, logicalId: string, length: number): string {
  const digest = createHash('sha256').update(`${place.stackName}/${logicalId}`).digest('hex');
  return BigInt(`0x${digest}`).toString(36).slice(0, length);
}

const arn = (place: Place, service: string, resource: string): string =>
  `arn:aws:${service}:${place.region}:${place.account}:${resource}`;
