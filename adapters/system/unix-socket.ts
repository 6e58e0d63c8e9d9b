import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { ByteStream, Dial } from '../../core/stream.ts';

/** Connects to the unix socket at `path`. */
export function unixSocket(path: string): Dial {
  return async (signal) => {
    signal.throwIfAborted();
    const socket = connect({ path });
    try {
      await once(socket, 'connect', { signal });
    } catch (error) {
      socket.destroy();
      signal.throwIfAborted();
      throw error;
    }
    return streamOf(socket);
  };
}

/** A socket that is connected, as a stream. */
export function streamOf(socket: Socket): ByteStream {
  // Whoever reads or writes gets the failure; without a listener it would end the process.
  socket.on('error', () => undefined);
  const arriving = socket.iterator({ destroyOnReturn: false });
  return {
    async read() {
      const next = await arriving.next();
      return next.done ? undefined : (next.value as Buffer);
    },
    write: (bytes) =>
      new Promise((resolve, reject) => {
        socket.write(bytes, (error) => (error ? reject(error) : resolve()));
      }),
    close: () => {
      socket.destroy();
    },
  };
}
