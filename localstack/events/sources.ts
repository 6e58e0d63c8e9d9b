/** An object that has become visible. */
export interface CreatedObject {
  readonly bucket: string;
  readonly key: string;
  readonly size: number;
  readonly etag: string;
}

/** Source: "EventBridge event message structure", S3's guide. */
export function objectCreated({ bucket, key, size, etag }: CreatedObject) {
  return {
    source: 'aws.s3' as const,
    'detail-type': 'Object Created',
    detail: { version: '0', bucket: { name: bucket }, object: { key, size, etag } },
  };
}

/** An execution that has come to its end, whatever that is. */
export interface EndedExecution {
  readonly arn: string;
  readonly machineArn: string;
  readonly name: string;
  readonly status: string;
}

/** Source: "Automating event delivery with EventBridge", Step Functions' guide. */
export function executionEnded({ arn, machineArn, name, status }: EndedExecution) {
  return {
    source: 'aws.states' as const,
    'detail-type': 'Step Functions Execution Status Change',
    detail: { executionArn: arn, stateMachineArn: machineArn, name, status },
  };
}
