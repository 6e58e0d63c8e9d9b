import type { Pattern } from '../events/pattern.ts';
import type { Recurrence } from '../events/recurrence.ts';
import type { Transformer } from '../events/transform.ts';

/** What the assembly declares, in the embedded cloud's own words: everything resolved, nothing of CloudFormation left. */
export interface CloudModel {
  readonly stackName: string;
  readonly account: string;
  readonly region: string;
  /** Names of buckets and of event buses. */
  readonly buckets: readonly string[];
  readonly buses: readonly string[];
  readonly rules: readonly RuleModel[];
  /** Buckets that tell the default bus of new objects. */
  readonly tellingBuckets: readonly string[];
  readonly roleArns: readonly string[];
  readonly tables: readonly TableModel[];
  readonly functions: readonly FunctionModel[];
  readonly machines: readonly MachineModel[];
  readonly api: ApiModel | undefined;
  readonly outputs: Readonly<Record<string, string>>;
  /** Resource types in the template that change nothing here, each with the reason. */
  readonly ignored: Readonly<Record<string, string>>;
}

/** What becomes of the events of a bus that a pattern matches, and what happens again and again. */
export interface RuleModel {
  readonly arn: string;
  readonly bus: string;
  readonly pattern: Pattern | undefined;
  readonly recurrence: Recurrence | undefined;
  readonly targets: readonly TargetModel[];
}

export interface TargetModel {
  /** Of a function or a state machine. */
  readonly arn: string;
  /** What it is given instead of the event. */
  readonly input?: string;
  readonly attempts: number;
  /** Name of the dead-letter queue. */
  readonly queue?: string;
  readonly transformer?: Transformer;
}

/** A table as DynamoDB's CreateTable takes it. */
export interface TableModel {
  readonly TableName: string;
  readonly KeySchema: readonly KeyElement[];
  readonly AttributeDefinitions: readonly { readonly AttributeName: string; readonly AttributeType: string }[];
  readonly GlobalSecondaryIndexes?: readonly IndexModel[] | undefined;
  readonly LocalSecondaryIndexes?: readonly IndexModel[] | undefined;
}

export interface IndexModel {
  readonly IndexName: string;
  readonly KeySchema: readonly KeyElement[];
  readonly Projection: {
    readonly ProjectionType?: string | undefined;
    readonly NonKeyAttributes?: readonly string[] | undefined;
  };
}

export interface KeyElement {
  readonly AttributeName: string;
  readonly KeyType: string;
}

export interface FunctionModel {
  readonly name: string;
  readonly arn: string;
  readonly codeDir: string;
  /** `file.export`, the file without its extension. */
  readonly handler: string;
  readonly timeoutSeconds: number;
  readonly memoryMib: number;
  /** How many calls may run at once, if the template reserves a number. */
  readonly concurrency: number | undefined;
  readonly environment: Readonly<Record<string, string>>;
  readonly roleArn: string;
}

export interface MachineModel {
  readonly arn: string;
  readonly name: string;
  /** The States Language definition, parsed. */
  readonly definition: unknown;
}

export interface ApiModel {
  readonly id: string;
  readonly stages: readonly {
    readonly name: string;
    readonly variables: Readonly<Record<string, string>> | undefined;
  }[];
  readonly binaryMediaTypes: readonly string[];
  readonly methods: readonly MethodModel[];
}

export interface MethodModel {
  /** As the template has it: `/items/{id}`, `/do/{proxy+}`. */
  readonly resourcePath: string;
  readonly resourceId: string;
  /** An HTTP method or ANY. */
  readonly httpMethod: string;
  readonly authorization: 'AWS_IAM' | 'NONE';
  readonly functionArn: string;
  readonly timeoutMs: number;
}
