import { errorOfAnswer, parseAnswer } from '../../../adapters/api/answer.ts';
import type { ApiClient } from '../../../adapters/api/client.ts';
import { withDeadline } from '../../../adapters/deadline.ts';
import { final, retry } from '../../../adapters/retry.ts';
import { abortable } from '../../../agent/flow/abortable.ts';
import { type Route, type RouteName, routes } from '../../../core/api/routes.ts';
import { LayerMoverError } from '../../../core/errors.ts';
import { limits } from '../../../core/limits.ts';
import type { Clock, Random } from '../../../core/ports.ts';
import { type Asked, userArn } from '../../functions/support/event.ts';
import type { Cloud } from './cloud.ts';
import type { Network } from './network.ts';

export interface ClientOptions {
  readonly caller: string;
  readonly cloud: Cloud;
  readonly network: Network;
  readonly clock: Clock;
  readonly random: Random;
  /** Told of each call that is made, for who checks what agents say. */
  readonly onCall?: (name: RouteName, body: unknown) => void;
}

/** The API as an agent or a user reaches it through a bad network: deadlines, retries and refusals are the real client's. */
export function createSimulatedClient({ caller, cloud, network, clock, random, onCall }: ClientOptions): ApiClient {
  async function exchangeOnce(name: RouteName, asked: Asked, signal: AbortSignal): Promise<Buffer> {
    const call = () => cloud.handle(name, { ...asked, caller: userArn(caller) });
    const sent = network.exchange(name, call).catch(() => {
      throw new LayerMoverError('API_UNREACHABLE', 'the API does not answer');
    });
    const { statusCode, body, isBase64Encoded } = await abortable(sent, signal);
    const bytes = Buffer.from(body, isBase64Encoded ? 'base64' : 'utf8');
    if (statusCode < 300) return bytes;
    const error = errorOfAnswer(statusCode, bytes);
    throw statusCode === 429 || statusCode >= 500 ? error : final(error);
  }

  return {
    async call(name: RouteName, ...[given]: [(Asked & { signal?: AbortSignal | undefined })?]) {
      onCall?.(name, given?.body);
      const { answer }: Route = routes[name];
      const late = () => new LayerMoverError('API_TIMEOUT', `${name} took too long`);
      const deadline = { clock, ms: limits.http_timeout_ms, late, signal: given?.signal };
      const body = await retry(() => withDeadline((each) => exchangeOnce(name, given ?? {}, each), deadline), {
        clock,
        random,
        attempts: limits.agent_retry_attempts_max,
        firstMs: limits.agent_retry_first_ms,
        maxMs: limits.agent_retry_ms_max,
        signal: given?.signal,
      });
      return answer === 'binary' ? body : parseAnswer(answer, body);
    },
  } as ApiClient;
}
