import type { Clock } from '../clock.ts';
import { ServiceError } from '../errors.ts';
import { limits } from '../limits.ts';
import type { ExecutionEnvironment, Outcome } from './environment.ts';

/** A function's execution environments and the calls that wait for one. */
export interface Pool {
  /** @throws ServiceError TooManyRequestsException when too many calls wait already */
  invoke(requestId: string, payload: string): Promise<Outcome>;
  stop(): Promise<void>;
}

interface Call {
  readonly requestId: string;
  readonly payload: string;
  readonly settle: (outcome: Outcome) => void;
  readonly refuse: (error: ServiceError) => void;
}

/**
 * Grows on demand up to `bound` environments, one at a time and only while calls wait and no environment comes free: as
 * long as calls are answered, more threads would but share the same few cores, and a burst would pay for a cold start
 * each. Environments that idle are ended.
 */
export function createPool(start: () => ExecutionEnvironment, bound: number, clock: Clock): Pool {
  const waiting: Call[] = [];
  const idle: { readonly environment: ExecutionEnvironment; readonly cancelEnd: () => void }[] = [];
  const all = new Set<ExecutionEnvironment>();
  let cancelGrowth: (() => void) | undefined;
  let starting = false;
  let stopped = false;

  function pump(): void {
    while (waiting.length > 0 && idle.length > 0) {
      const { environment, cancelEnd } = idle.pop()!;
      cancelEnd();
      if (environment.alive) void run(environment, waiting.shift()!);
      else all.delete(environment);
    }
    if (waiting.length === 0 || starting || stopped || all.size >= bound) return;
    if (all.size === 0) void grow();
    else cancelGrowth ??= clock.schedule(limits.environment_growth_ms, () => void grow());
  }

  function holdGrowth(): void {
    cancelGrowth?.();
    cancelGrowth = undefined;
  }

  async function grow(): Promise<void> {
    holdGrowth();
    if (waiting.length === 0) return;
    starting = true;
    const environment = start();
    all.add(environment);
    const error = await environment.ready;
    starting = false;
    if (error === undefined) rest(environment);
    else {
      all.delete(environment);
      waiting.shift()?.settle({ error });
    }
    pump();
  }

  async function run(environment: ExecutionEnvironment, call: Call): Promise<void> {
    call.settle(await environment.invoke(call.requestId, call.payload));
    holdGrowth();
    rest(environment);
    pump();
  }

  function rest(environment: ExecutionEnvironment): void {
    if (!environment.alive) {
      all.delete(environment);
      return;
    }
    const end = () => {
      idle.splice(idle.indexOf(entry), 1);
      all.delete(environment);
      void environment.end();
    };
    const entry = { environment, cancelEnd: clock.schedule(limits.environment_idle_ms, end) };
    idle.push(entry);
  }

  return {
    invoke(requestId, payload) {
      if (stopped) return Promise.reject(new ServiceError('ServiceException', 'The cloud is stopping.', 503));
      if (waiting.length >= limits.queue_calls_max) {
        return Promise.reject(new ServiceError('TooManyRequestsException', 'Rate Exceeded.', 429));
      }
      const { promise, resolve, reject } = Promise.withResolvers<Outcome>();
      waiting.push({ requestId, payload, settle: resolve, refuse: reject });
      pump();
      return promise;
    },
    async stop() {
      stopped = true;
      holdGrowth();
      for (const { cancelEnd } of idle) cancelEnd();
      for (const call of waiting.splice(0)) {
        call.refuse(new ServiceError('ServiceException', 'The cloud is stopping.', 503));
      }
      await Promise.all([...all].map((environment) => environment.end()));
    },
  };
}
