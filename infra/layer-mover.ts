import { CfnOutput, Stack } from 'aws-cdk-lib';
import type { Dashboard } from 'aws-cdk-lib/aws-cloudwatch';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';
import { DEFAULT_NAMESPACE } from '../core/api/names.ts';
import { limits } from '../core/limits.ts';
import type { Bundles } from './bundle.ts';
import { ControlPlane } from './control-plane.ts';
import type { GarbageCollectionProps } from './garbage-collection.ts';
import { Operations } from './operations/operations.ts';
import type { ScheduledRequest } from './requests.ts';
import { Storage, type StorageProps } from './storage.ts';

export interface LayerMoverProps extends StorageProps {
  /** The functions' code, made by `bundleFunctions`. */
  readonly bundles: Bundles;
  /** One fingerprint in so many has an index row; 1 = every one: exact, and as many times the writes. Default: 8. */
  readonly indexSampling?: number;
  /**
   * For emulators alone, whose gateway neither checks signatures nor tells who signed: callers are taken for whom their
   * access key id names. On AWS this would let anybody who is admitted name anybody. Default: false.
   */
  readonly emulatedCallers?: boolean;
  /** Migrations and evacuations that are asked for again and again. Default: none. */
  readonly schedules?: readonly ScheduledRequest[];
  /** When what nothing needs leaves the store, and what that is. Default: every 7 days; layers after 180 days without use. */
  readonly garbageCollection?: GarbageCollectionProps;
  /** Who hears of alarms. Default: nobody; they show on the dashboard. */
  readonly alarmTopic?: ITopic;
  /** US dollars an hour beyond which calls and steps of the workflow raise an alarm. Default: 5. */
  readonly dollarsPerHourMax?: number;
}

/** All of LayerMover's cloud: storage that outlives a deployment, and the control plane over it. */
export class LayerMover extends Construct {
  readonly storage: Storage;
  readonly controlPlane: ControlPlane;
  readonly operations: Operations;

  constructor(scope: Construct, id: string, props: LayerMoverProps) {
    super(scope, id);
    const { bundles, indexSampling = limits.index_sampling_default, emulatedCallers = false } = props;
    const { garbageCollection = {}, namespaces = [DEFAULT_NAMESPACE] } = props;
    const { alarmTopic, schedules = [], dollarsPerHourMax = limits.dollars_per_hour_default } = props;
    this.storage = new Storage(this, 'Storage', props);
    this.controlPlane = new ControlPlane(this, 'ControlPlane', {
      storage: this.storage,
      bundles,
      indexSampling,
      emulatedCallers,
      schedules,
      garbageCollection,
      namespaces,
    });
    const { storage, controlPlane } = this;
    this.operations = new Operations(this, 'Operations', { storage, controlPlane, alarmTopic, dollarsPerHourMax });
    const { api, machine } = controlPlane;
    this.#output('ApiUrl', api.url, 'where agents and users call');
    this.#output('BucketName', this.storage.bucket.bucketName, 'where packs and manifests lie');
    this.#output('StateMachineArn', machine.stateMachineArn, 'what runs migrations');
    this.#output('BusName', controlPlane.bus.eventBusName, 'where events ask for migrations and tell of them');
    this.#output('RefusedQueueUrl', controlPlane.requests.refused.queueUrl, 'events that failed for good');
    this.#output('DashboardUrl', dashboardUrl(this.operations.dashboard), 'how they go');
  }

  #output(name: string, value: string, description: string): void {
    new CfnOutput(this, name, { value, description }).overrideLogicalId(name);
  }
}

function dashboardUrl(dashboard: Dashboard): string {
  const { region } = Stack.of(dashboard);
  return `https://${region}.console.aws.amazon.com/cloudwatch/home?region=${region}#dashboards:name=${dashboard.dashboardName}`;
}
