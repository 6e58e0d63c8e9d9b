import type { ServiceInputTypes, ServiceOutputTypes, STSClient } from '@aws-sdk/client-sts';
import { isThrottlingError } from '@smithy/core/retry';
import type { FinalizeRequestMiddleware } from '@smithy/types';
import type { AwsClients } from './clients.ts';

/** Hears of each request that a service refused because it came too fast, by the name of its command. */
export type OnThrottled = (command: string) => void;

/** Tells of throttled requests, each attempt of the SDK by itself. What becomes of the request is as it was. */
export function watchThrottles({ s3, dynamo, sfn, sts, events }: AwsClients, onThrottled: OnThrottled): void {
  const watching: FinalizeRequestMiddleware<ServiceInputTypes, ServiceOutputTypes> =
    (next, context) => async (request) => {
      try {
        return await next(request);
      } catch (error) {
        if (isThrottlingError(error as never)) onThrottled(String(context.commandName));
        throw error;
      }
    };
  // The clients' types differ by what passes through, which is passed through here as it is.
  for (const { middlewareStack } of [s3, dynamo, sfn, sts, events] as unknown as STSClient[]) {
    // Within the SDK's retries, which are the first of this step.
    middlewareStack.add(watching, { name: 'watchThrottles', step: 'finalizeRequest', priority: 'low' });
  }
}
