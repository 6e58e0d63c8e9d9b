/** Lets some wait until another rings. Who is not waiting at that moment hears nothing. */
export class Bell {
  #next = Promise.withResolvers<void>();

  ring(): void {
    this.#next.resolve();
    this.#next = Promise.withResolvers();
  }

  /** Resolves with the next ring; rejects with the signal's reason as soon as it aborts. */
  wait(signal: AbortSignal): Promise<void> {
    const { promise } = this.#next;
    return new Promise((resolve, reject) => {
      const stop = () => reject(signal.reason);
      if (signal.aborted) return stop();
      signal.addEventListener('abort', stop, { once: true });
      promise.then(() => {
        signal.removeEventListener('abort', stop);
        resolve();
      });
    });
  }
}
