import type { ErrorJson } from '../../core/errors.ts';
import type { Workflow } from '../../core/ports.ts';
import { plain } from '../rules/plain.ts';
import { tokenDead } from '../rules/refusals.ts';

export type TokenOutcome =
  | { readonly status: 'succeeded'; readonly output: unknown }
  | { readonly status: 'failed'; readonly error: ErrorJson };

export interface MemoryWorkflow extends Workflow {
  /** Input of every execution that was started, by id. */
  readonly executions: ReadonlyMap<string, unknown>;
  /** How often each token was beaten. */
  readonly beats: ReadonlyMap<string, number>;
  /** Waits for a token as a state does; resolves with what was said of it. */
  wait(token: string): Promise<TokenOutcome>;
  /** Stops to wait for a token, as a state does that timed out: the token is dead from here on. */
  abandon(token: string): void;
}

/** A workflow that runs nothing: it records what it is told, and a test plays its states. */
export function createMemoryWorkflow(): MemoryWorkflow {
  const executions = new Map<string, unknown>();
  const beats = new Map<string, number>();
  const waiting = new Map<string, (outcome: TokenOutcome) => void>();

  function end(token: string, outcome: TokenOutcome): void {
    const resolve = waiting.get(token);
    if (resolve === undefined) throw tokenDead();
    waiting.delete(token);
    resolve(plain(outcome));
  }

  return {
    executions,
    beats,
    wait: (token) => new Promise((resolve) => waiting.set(token, resolve)),
    abandon: (token) => void waiting.delete(token),
    async start(id, input) {
      if (!executions.has(id)) executions.set(id, plain(input));
    },
    async succeed(token, output) {
      end(token, { status: 'succeeded', output });
    },
    async fail(token, error) {
      end(token, { status: 'failed', error });
    },
    async beat(token) {
      if (!waiting.has(token)) throw tokenDead();
      beats.set(token, (beats.get(token) ?? 0) + 1);
    },
  };
}
