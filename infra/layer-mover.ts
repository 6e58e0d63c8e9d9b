import { CfnOutput, RemovalPolicy, Stack } from 'aws-cdk-lib';
import type { Dashboard } from 'aws-cdk-lib/aws-cloudwatch';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';
import { limits } from '../core/limits.ts';
import { type Bundles, shippedBundles } from './bundles.ts';
import { ControlPlane, type ControlPlaneSettings } from './control-plane.ts';
import { Operations } from './operations/operations.ts';
import { Storage, type StorageProps } from './storage.ts';

export interface LayerMoverProps extends StorageProps, ControlPlaneSettings {
  /** The functions' code. Default: as the package ships it. */
  readonly bundles?: Bundles;
  /** Who hears of alarms. Default: nobody; they show on the dashboard. */
  readonly alarmTopic?: ITopic;
  /** US dollars an hour beyond which calls and steps of the workflow raise an alarm. Default: 5. */
  readonly dollarsPerHourMax?: number;
}

/**
 * All of LayerMover's cloud: storage that outlives a deployment, the control plane over it, and what an operator looks at. Each
 * part is there to be changed further: `mover.controlPlane.functions.tasks.lambda`, `mover.storage.bucket` and so on. One
 * construct a stack, as its outputs have fixed names; as many stacks an account and region as you like.
 *
 *     new LayerMover(stack, 'Mover', { namespaces: ['team-a'], alarmTopic });
 *
 * Errors at synthesis: BUNDLES_MISSING.
 */
export class LayerMover extends Construct {
  readonly storage: Storage;
  readonly controlPlane: ControlPlane;
  readonly operations: Operations;

  constructor(scope: Construct, id: string, props: LayerMoverProps = {}) {
    super(scope, id);
    const { alarmTopic, dollarsPerHourMax = limits.dollars_per_hour_default } = props;
    const bundles = props.bundles ?? shippedBundles();
    this.storage = new Storage(this, 'Storage', props);
    this.controlPlane = new ControlPlane(this, 'ControlPlane', { ...props, storage: this.storage, bundles });
    const { storage, controlPlane } = this;
    this.operations = new Operations(this, 'Operations', { storage, controlPlane, alarmTopic, dollarsPerHourMax });
    const { api, machine } = controlPlane;
    this.#output('ApiUrl', api.url, 'where agents and users call');
    this.#output('BucketName', this.storage.bucket.bucketName, 'where packs and manifests lie');
    this.#output('StateMachineArn', machine.stateMachineArn, 'what runs migrations');
    this.#output('BusName', controlPlane.bus.eventBusName, 'where events ask for migrations and tell of them');
    this.#output('RefusedQueueUrl', controlPlane.requests.refused.queueUrl, 'events that failed for good');
    if (props.removalPolicy !== RemovalPolicy.DESTROY)
      this.#output(
        'KeptOnDestroy',
        keptNames(storage),
        '`cdk destroy` leaves these; docs/DEPLOY.md tells how to remove them',
      );
    this.#output('DashboardUrl', dashboardUrl(this.operations.dashboard), 'how they go');
  }

  #output(name: string, value: string, description: string): void {
    new CfnOutput(this, name, { value, description }).overrideLogicalId(name);
  }
}

/** Bucket, tables and key, as AWS's commands name them. */
function keptNames({ bucket, tables, key }: Storage): string {
  return [bucket.bucketName, ...Object.values(tables).map((table) => table.tableName), key.keyArn].join(' ');
}

function dashboardUrl(dashboard: Dashboard): string {
  const { region } = Stack.of(dashboard);
  return `https://${region}.console.aws.amazon.com/cloudwatch/home?region=${region}#dashboards:name=${dashboard.dashboardName}`;
}
