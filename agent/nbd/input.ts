import type { ByteStream } from '../../core/stream.ts';
import { lost } from './failure.ts';

/** Exactly as many bytes of a stream as are asked for. Errors: NBD_LOST. */
export class Input {
  readonly #stream: Pick<ByteStream, 'read'>;
  #left: Uint8Array = new Uint8Array(0);
  #isEnded = false;
  /** Bytes that have come so far. */
  arrived = 0;

  constructor(stream: Pick<ByteStream, 'read'>) {
    this.#stream = stream;
  }

  async take(length: number): Promise<Buffer> {
    const bytes = Buffer.alloc(length);
    await this.fill(bytes);
    return bytes;
  }

  async fill(into: Uint8Array): Promise<void> {
    for (let at = 0; at < into.length; ) {
      if (this.#left.length === 0) this.#left = await this.#more();
      const part = this.#left.subarray(0, into.length - at);
      into.set(part, at);
      at += part.length;
      this.#left = this.#left.subarray(part.length);
    }
  }

  /** Gives nothing any more, not even what has come already: no buffer is written to from now on. */
  end(): void {
    this.#isEnded = true;
    this.#left = new Uint8Array(0);
  }

  async #more(): Promise<Uint8Array> {
    const bytes = await this.#stream.read().catch((cause: unknown) => {
      throw lost(cause);
    });
    if (bytes === undefined || this.#isEnded) throw lost();
    this.arrived += bytes.length;
    return bytes;
  }
}
