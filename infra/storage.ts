import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import { AttributeType, BillingMode, ProjectionType, Table } from 'aws-cdk-lib/aws-dynamodb';
import { BlockPublicAccess, Bucket, BucketEncryption, type LifecycleRule, ObjectOwnership } from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import { type TableId, type TableSpec, tables } from '../adapters/aws/tables.ts';
import { DEFAULT_NAMESPACE } from '../core/api/names.ts';
import { namespaceScope } from '../core/format/keys.ts';
import { limits } from '../core/limits.ts';

export interface StorageProps {
  /** What becomes of bucket and tables when the stack goes. Default: they are retained. */
  readonly removalPolicy?: RemovalPolicy;
  /** Namespaces whose left-over migrations the bucket expires by itself. Default: `default`. */
  readonly namespaces?: readonly string[];
}

/** What must outlive a deployment: the objects, and the tables that say what they are. */
export class Storage extends Construct {
  readonly bucket: Bucket;
  readonly tables: Readonly<Record<TableId, Table>>;

  constructor(scope: Construct, id: string, props: StorageProps = {}) {
    super(scope, id);
    const { removalPolicy = RemovalPolicy.RETAIN, namespaces = [DEFAULT_NAMESPACE] } = props;
    this.bucket = new Bucket(this, 'Objects', {
      removalPolicy,
      encryption: BucketEncryption.S3_MANAGED,
      blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
      objectOwnership: ObjectOwnership.BUCKET_OWNER_ENFORCED,
      enforceSSL: true,
      lifecycleRules: [
        { id: 'torn-uploads', abortIncompleteMultipartUploadAfter: Duration.days(1) },
        ...namespaces.map(leftOvers),
      ],
    });
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
      removalPolicy,
      ...(spec.expiry === undefined ? {} : { timeToLiveAttribute: spec.expiry }),
    });
    for (const [indexName, index] of Object.entries(spec.indexes))
      table.addGlobalSecondaryIndex({ indexName, ...keysOf(index), projectionType: ProjectionType.KEYS_ONLY });
    return table;
  }
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
