import { errorToJson, hasCode } from '../../../core/errors.ts';
import { limits } from '../../../core/limits.ts';
import type { ByteStream, Listen, Listener } from '../../../core/stream.ts';
import type { Log } from '../../daemon/log.ts';
import { serveNbd } from '../../nbd/server/serve.ts';
import type { Exports } from '../../nbd/server/served.ts';

/** Where a VM's QEMU writes its mirrors to, until it is closed. */
export class CopyServer {
  readonly #log: Log;
  readonly #clients = new Map<ByteStream, Promise<void>>();
  #listener: Listener | undefined;

  private constructor(log: Log) {
    this.#log = log;
  }

  /** Errors: those of `listen`. */
  static async open(listen: Listen, exports: Exports, log: Log): Promise<CopyServer> {
    const server = new CopyServer(log);
    server.#listener = await listen((stream) => server.#take(stream, exports));
    return server;
  }

  /** Resolves when no disk is used any more. */
  async close(): Promise<void> {
    await this.#listener?.close();
    for (const stream of this.#clients.keys()) stream.close();
    await Promise.all(this.#clients.values());
  }

  /** A VM has one connection a disk. */
  #take(stream: ByteStream, exports: Exports): void {
    if (this.#clients.size >= limits.vm_disks_max) stream.close();
    else this.#clients.set(stream, this.#serve(stream, exports));
  }

  async #serve(stream: ByteStream, exports: Exports): Promise<void> {
    try {
      await serveNbd(stream, exports);
    } catch (error) {
      // A mirror that ends hangs up.
      if (!hasCode(error, 'NBD_LOST')) this.#log.warn({ error: errorToJson(error) }, 'a mirror’s connection was ended');
    } finally {
      this.#clients.delete(stream);
    }
  }
}
