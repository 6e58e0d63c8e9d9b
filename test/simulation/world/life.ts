/** One run of an agent's process. Once it is dead nothing that it waits for ever comes. */
export class Life {
  readonly #never = new Promise<never>(() => undefined);
  readonly #tick: (what: string) => Promise<void> | undefined;
  dead = false;

  /** `tick` is called before each call to the outside; it may make the caller wait, or end this life. */
  constructor(tick: (what: string) => Promise<void> | undefined) {
    this.#tick = tick;
  }

  /** A call to the outside: it may be the last, and its answer may come too late. */
  async through<T>(what: string, call: () => Promise<T>): Promise<T> {
    if (this.dead) return this.#never;
    const wait = this.#tick(what);
    if (wait !== undefined) await wait;
    if (this.dead) return this.#never;
    try {
      const answer = await call();
      return this.dead ? await this.#never : answer;
    } catch (error) {
      if (this.dead) return await this.#never;
      throw error;
    }
  }
}
