import { CfnOutput } from 'aws-cdk-lib';
import { Construct } from 'constructs';
import { limits } from '../core/limits.ts';
import type { Bundles } from './bundle.ts';
import { ControlPlane } from './control-plane.ts';
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
}

/** All of LayerMover's cloud: storage that outlives a deployment, and the control plane over it. */
export class LayerMover extends Construct {
  readonly storage: Storage;
  readonly controlPlane: ControlPlane;

  constructor(scope: Construct, id: string, props: LayerMoverProps) {
    super(scope, id);
    const { bundles, indexSampling = limits.index_sampling_default, emulatedCallers = false } = props;
    this.storage = new Storage(this, 'Storage', props);
    this.controlPlane = new ControlPlane(this, 'ControlPlane', {
      storage: this.storage,
      bundles,
      indexSampling,
      emulatedCallers,
    });
    const { api, machine } = this.controlPlane;
    this.#output('ApiUrl', api.url, 'where agents and users call');
    this.#output('BucketName', this.storage.bucket.bucketName, 'where packs and manifests lie');
    this.#output('StateMachineArn', machine.stateMachineArn, 'what runs migrations');
  }

  #output(name: string, value: string, description: string): void {
    new CfnOutput(this, name, { value, description }).overrideLogicalId(name);
  }
}
