import { ServiceError } from '../errors.ts';
import type { InvokeResult, Ports } from '../states/ports.ts';
import type { Lambda } from './lambda.ts';

/** How the workflow engine invokes functions; what Lambda refuses is an error by the name that Step Functions gives it. */
export function invokeForStates(lambda: Lambda): Ports['invoke'] {
  return async (functionName, payload): Promise<InvokeResult> => {
    try {
      const invocation = await lambda.invoke(functionName, JSON.stringify(payload));
      const result = JSON.parse(invocation.payload);
      return invocation.functionError === undefined ? { payload: result } : { error: result };
    } catch (error) {
      if (!(error instanceof ServiceError)) throw error;
      return { error: { errorType: `Lambda.${error.code}`, errorMessage: error.message } };
    }
  };
}
