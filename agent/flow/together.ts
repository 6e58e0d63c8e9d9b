/** Several do the same at a time, and what one of them has made is the others', too. */
export class Together {
  readonly #count = new Map<string, number>();

  /** Does `work`. If it fails, `undo` is done, unless others are at the same thing: then it is theirs. Errors: those of both. */
  async do<T>(what: string, work: () => Promise<T>, undo: () => Promise<void>): Promise<T> {
    this.#add(what, 1);
    try {
      return await work();
    } catch (error) {
      if (this.#count.get(what) === 1) await undo();
      throw error;
    } finally {
      this.#add(what, -1);
    }
  }

  #add(what: string, more: 1 | -1): void {
    const count = (this.#count.get(what) ?? 0) + more;
    if (count === 0) this.#count.delete(what);
    else this.#count.set(what, count);
  }
}
