import type { ByteStream } from '../../core/stream.ts';

/** Two ends of a connection in memory: what is written to one is read from the other. */
export function pipe(): [ByteStream, ByteStream] {
  const there = new Half();
  const back = new Half();
  const end = (reads: Half, writes: Half): ByteStream => ({
    read: () => reads.take(),
    write: async (bytes) => writes.put(bytes),
    close: () => {
      reads.end();
      writes.end();
    },
  });
  return [end(there, back), end(back, there)];
}

class Half {
  readonly #queue: Uint8Array[] = [];
  #wake: () => void = () => undefined;
  #ended = false;

  put(bytes: Uint8Array): void {
    if (this.#ended) throw Object.assign(new Error('the other side has closed'), { code: 'EPIPE' });
    if (bytes.length > 0) this.#queue.push(Uint8Array.from(bytes));
    this.#wake();
  }

  async take(): Promise<Uint8Array | undefined> {
    while (this.#queue.length === 0 && !this.#ended) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#queue.shift();
  }

  end(): void {
    this.#ended = true;
    this.#wake();
  }
}
