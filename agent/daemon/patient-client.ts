import type { ApiClient } from '../../adapters/api/client.ts';
import { statusOfCode } from '../../core/api/codes.ts';
import { LayerMoverError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import type { Clock } from '../../core/ports.ts';

/**
 * A client that asks again until the API answers or the caller's signal aborts: a task outlives a cloud that is away
 * for a while. What the API refuses is thrown at once.
 */
export function createPatientClient(api: ApiClient, clock: Clock): ApiClient {
  return {
    async call(name, ...args) {
      const signal = args[0]?.signal;
      for (;;) {
        try {
          return await api.call(name, ...args);
        } catch (error) {
          if (signal?.aborted || !mayPass(error)) throw error;
          await clock.sleep(limits.poll_idle_ms, signal);
        }
      }
    },
  };
}

/** True if the API has answered, and the answer was no: asking again would bring the same. */
export function isRefusal(error: unknown): boolean {
  return error instanceof LayerMoverError && Object.hasOwn(statusOfCode, error.code);
}

function mayPass(error: unknown): boolean {
  return error instanceof LayerMoverError && !isRefusal(error) && error.code !== 'API_ANSWER_INVALID';
}
