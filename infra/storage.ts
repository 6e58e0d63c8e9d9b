import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import { AttributeType, BillingMode, ProjectionType, Table } from 'aws-cdk-lib/aws-dynamodb';
import { type IKey, Key } from 'aws-cdk-lib/aws-kms';
import {
  BlockPublicAccess,
  Bucket,
  BucketEncryption,
  type CfnBucket,
  type IBucket,
  type LifecycleRule,
  ObjectOwnership,
} from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import { type TableId, type TableSpec, tables } from '../adapters/aws/tables.ts';
import { DEFAULT_NAMESPACE } from '../core/api/names.ts';
import { namespaceScope } from '../core/format/keys.ts';
import { limits } from '../core/limits.ts';
import { acknowledge } from './acknowledge.ts';

export interface StorageProps {
  /** What becomes of bucket and tables when the stack goes. Default: they are retained. */
  readonly removalPolicy?: RemovalPolicy;
  /** Namespaces that are collected by the schedule, and whose left-over migrations the bucket expires by itself. Default: `default`. */
  readonly namespaces?: readonly string[];
  /** The key that objects are encrypted with. Default: one of the stack's own, which rotates every year. */
  readonly encryptionKey?: IKey;
  /** Where S3 logs who read and wrote objects. Default: nowhere. */
  readonly accessLogsBucket?: IBucket;
}

/** What must outlive a deployment: the objects, and the tables that say what they are. */
export class Storage extends Construct {
  readonly key: IKey;
  readonly bucket: Bucket;
  readonly tables: Readonly<Record<TableId, Table>>;

  constructor(scope: Construct, id: string, props: StorageProps = {}) {
    super(scope, id);
    const { removalPolicy = RemovalPolicy.RETAIN, namespaces = [DEFAULT_NAMESPACE] } = props;
    this.key = props.encryptionKey ?? createKey(this, removalPolicy);
    this.bucket = new Bucket(this, 'Objects', {
      removalPolicy,
      encryption: BucketEncryption.KMS,
      encryptionKey: this.key,
      // One data key serves many objects: a call of KMS for each would cost more than storing it.
      bucketKeyEnabled: true,
      blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
      objectOwnership: ObjectOwnership.BUCKET_OWNER_ENFORCED,
      enforceSSL: true,
      lifecycleRules: [
        { id: 'torn-uploads', abortIncompleteMultipartUploadAfter: Duration.days(1) },
        ...namespaces.map(leftOvers),
      ],
      ...(props.accessLogsBucket === undefined ? {} : { serverAccessLogsBucket: props.accessLogsBucket }),
    });
    // The construct's own property for this needs a function that custom-makes it.
    const bucket = this.bucket.node.defaultChild as CfnBucket;
    bucket.notificationConfiguration = { eventBridgeConfiguration: { eventBridgeEnabled: true } };
    if (props.accessLogsBucket === undefined) acknowledge(this.bucket, 'AwsSolutions-S1', UNLOGGED);
    const made = Object.entries<TableSpec>(tables).map(([name, spec]) => [
      name,
      this.#table(name, spec, removalPolicy),
    ]);
    this.tables = Object.fromEntries(made);
  }

  #table(name: string, spec: TableSpec, removalPolicy: RemovalPolicy): Table {
    const table = new Table(this, `${name[0]!.toUpperCase()}${name.slice(1)}Table`, {
      ...keysOf(spec),
      billingMode: BillingMode.PAY_PER_REQUEST,
      pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
      removalPolicy,
      ...(spec.expiry === undefined ? {} : { timeToLiveAttribute: spec.expiry }),
    });
    for (const [indexName, index] of Object.entries(spec.indexes))
      table.addGlobalSecondaryIndex({ indexName, ...keysOf(index), projectionType: ProjectionType.KEYS_ONLY });
    return table;
  }
}

const UNLOGGED =
  'Objects are never changed and reached through sessions of one task each; an access log is a prop away (accessLogsBucket).';

function createKey(scope: Construct, removalPolicy: RemovalPolicy): Key {
  return new Key(scope, 'Key', {
    description: 'LayerMover: packs and manifests at rest',
    enableKeyRotation: true,
    removalPolicy,
  });
}

function keysOf({ partitionKey, sortKey }: { readonly partitionKey: string; readonly sortKey?: string }) {
  const text = (name: string) => ({ name, type: AttributeType.STRING });
  return {
    partitionKey: text(partitionKey),
    ...(sortKey === undefined ? {} : { sortKey: text(sortKey) }),
  };
}

/** A migration removes its own objects when it ends; this is for one that failed and was not resumed, and for what an agent wrote late. */
function leftOvers(namespace: string): LifecycleRule {
  return {
    id: `left-overs-${namespace}`,
    prefix: `${namespaceScope(namespace)}/migrations/`,
    expiration: Duration.days(limits.left_over_days),
  };
}
