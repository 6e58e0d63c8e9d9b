import type { FunctionModel } from '../assembly/model.ts';
import type { KeyStore } from '../identity/keys.ts';

export interface VariablesDeps {
  readonly account: string;
  readonly region: string;
  readonly keys: KeyStore;
  /** Where every emulated service answers. */
  readonly endpointUrl: string;
}

/**
 * The environment that Lambda itself gives a function, with a key of the function's role. The one endpoint for all
 * services keeps a function's SDK clients on this machine, whatever they ask for; an S3 client addresses an IP address
 * by path of its own accord.
 */
export function lambdaVariables(fn: FunctionModel, deps: VariablesDeps): Readonly<Record<string, string>> {
  const { account, region, keys, endpointUrl } = deps;
  const role = fn.roleArn.split('/').at(-1);
  const key = keys.issue({ arn: `arn:aws:sts::${account}:assumed-role/${role}/${fn.name}` });
  return {
    AWS_REGION: region,
    AWS_DEFAULT_REGION: region,
    AWS_ACCESS_KEY_ID: key.accessKeyId,
    AWS_SECRET_ACCESS_KEY: key.secretAccessKey,
    AWS_ENDPOINT_URL: endpointUrl,
    AWS_EC2_METADATA_DISABLED: 'true',
    AWS_CONFIG_FILE: '/dev/null',
    AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
    AWS_EXECUTION_ENV: 'AWS_Lambda_nodejs24.x',
    AWS_LAMBDA_FUNCTION_NAME: fn.name,
    AWS_LAMBDA_FUNCTION_VERSION: '$LATEST',
    AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(fn.memoryMib),
    AWS_LAMBDA_LOG_GROUP_NAME: `/aws/lambda/${fn.name}`,
    AWS_LAMBDA_LOG_STREAM_NAME: 'embedded',
    LAMBDA_TASK_ROOT: fn.codeDir,
    _HANDLER: fn.handler,
  };
}
