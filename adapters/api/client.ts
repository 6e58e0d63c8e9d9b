import { type Route, type RouteName, routes } from '../../core/api/routes.ts';
import { LayerMoverError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import type { Random } from '../../core/ports.ts';
import { withDeadline } from '../deadline.ts';
import { final, retry } from '../retry.ts';
import { systemRandom } from '../system/random.ts';
import { errorOfAnswer, parseAnswer, readBody } from './answer.ts';
import type { AnswerOf, CallOf } from './call.ts';
import { createSigner, type PlainCall, type SigningOptions } from './request.ts';
import { clockSkewed, skewOf } from './skew.ts';

export interface ApiClientOptions extends SigningOptions {
  /** Spreads the retries of many agents. */
  readonly random?: Random;
  readonly fetch?: typeof fetch;
}

export interface ApiClient {
  /**
   * Calls a route and gives its answer. What the API refuses is thrown as it says (code, message, hint, data); lost
   * connections, 429 and 5xx are tried again, limits.agent_retry_attempts_max times in all. A clock that is wrong is
   * made up for by the API's own. Throws API_UNREACHABLE, API_TIMEOUT, API_ANSWER_INVALID, CLOCK_SKEWED, and the
   * signal's reason as soon as it aborts.
   */
  call<N extends RouteName>(name: N, ...call: CallArguments<N>): Promise<AnswerOf<N>>;
}

type CallArguments<N extends RouteName> = object extends CallOf<N> ? [call?: CallOf<N>] : [call: CallOf<N>];

/** A client of the REST API, made from its contract. Every route may be called twice, so every call may be retried. */
export function createApiClient(options: ApiClientOptions): ApiClient {
  const { clock, random = systemRandom } = options;
  const send = options.fetch ?? fetch;
  const sign = createSigner(options);
  let skewMs = 0;

  async function exchangeOnce(route: Route, call: PlainCall, signal: AbortSignal): Promise<Buffer> {
    const usedMs = skewMs;
    const request = await sign(route, call, usedMs).catch((error) => {
      throw final(error);
    });
    const { response, body } = await converse(request, signal);
    if (response.ok) return body;
    const error = errorOfAnswer(response.status, body);
    if (error.code === 'CALLER_REFUSED') throw refused(error, response, usedMs);
    throw response.status === 429 || response.status >= 500 ? error : final(error);
  }

  /** A signature made by a wrong clock is worth another try, by the API's; what is refused for another reason is not. */
  function refused(error: LayerMoverError, response: Response, usedMs: number): Error {
    const foundMs = skewOf(response, clock.nowMs());
    if (foundMs === undefined || Math.abs(foundMs - usedMs) <= limits.clock_skew_ms) return final(error);
    skewMs = foundMs;
    return clockSkewed(foundMs, error);
  }

  async function converse(request: Request, signal: AbortSignal): Promise<{ response: Response; body: Buffer }> {
    try {
      const response = await send(request, { signal });
      return { response, body: await readBody(response) };
    } catch (error) {
      signal.throwIfAborted();
      throw error instanceof LayerMoverError ? final(error) : unreachable(options.url, error);
    }
  }

  async function exchange(name: RouteName, call: PlainCall, signal?: AbortSignal): Promise<Buffer> {
    const late = () => new LayerMoverError('API_TIMEOUT', `${name} took more than ${limits.http_timeout_ms} ms`);
    const deadline = { clock, ms: limits.http_timeout_ms, late, signal };
    return await retry(() => withDeadline((each) => exchangeOnce(routes[name], call, each), deadline), {
      clock,
      random,
      attempts: limits.agent_retry_attempts_max,
      firstMs: limits.agent_retry_first_ms,
      maxMs: limits.agent_retry_ms_max,
      signal,
    });
  }

  async function call<N extends RouteName>(name: N, ...[given]: CallArguments<N>): Promise<AnswerOf<N>> {
    const { answer }: Route = routes[name];
    const body = await exchange(name, given ?? {}, given?.signal);
    const answered = answer === 'binary' ? body : parseAnswer(answer, body);
    return answered as AnswerOf<N>;
  }

  return { call };
}

function unreachable(url: string, cause: unknown): LayerMoverError {
  return new LayerMoverError('API_UNREACHABLE', `${url} does not answer`, {
    hint: 'check the URL and the network; the command can be run again',
    cause,
  });
}
