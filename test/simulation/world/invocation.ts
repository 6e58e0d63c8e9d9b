import { AsyncLocalStorage } from 'node:async_hooks';

/** One run of a function. It can die at any call that it makes: then nothing of it goes on. */
class Invocation {
  readonly #kill = Promise.withResolvers<never>();
  dead = false;

  constructor() {
    this.#kill.promise.catch(() => undefined);
  }

  get killed(): Promise<never> {
    return this.#kill.promise;
  }

  kill(): void {
    this.dead = true;
    this.#kill.reject(new Error('the function was killed'));
  }
}

const current = new AsyncLocalStorage<Invocation>();

/** Runs a function; rejects if it is killed. */
export function invoke<T>(work: () => Promise<T>): Promise<T> {
  const invocation = new Invocation();
  return Promise.race([current.run(invocation, work), invocation.killed]);
}

/** The run that makes the present call, if it is one of a function. */
export function currentInvocation(): Invocation | undefined {
  return current.getStore();
}
