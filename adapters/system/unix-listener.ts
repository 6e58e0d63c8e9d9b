import { once } from 'node:events';
import { chmod, chown, rm, stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { Listen } from '../../core/stream.ts';
import { streamOf } from './unix-socket.ts';

/**
 * Listens at a unix socket, for whom the socket or file `like` belongs to, and for nobody else. What an earlier run left
 * at the path is removed.
 */
export function unixListener(path: string, { like }: { like: string }): Listen {
  return async (take) => {
    await rm(path, { force: true });
    const server = createServer((socket) => take(streamOf(socket)));
    server.listen({ path });
    await once(server, 'listening');
    // A connection that can't be taken is its client's to notice.
    server.on('error', () => undefined);
    try {
      await chmod(path, 0o600);
      const [theirs, ours] = [await stat(like), await stat(path)];
      if (theirs.uid !== ours.uid) await chown(path, theirs.uid, theirs.gid);
    } catch (error) {
      server.close();
      throw error;
    }
    return {
      async close() {
        // Connections that are still open are not waited for.
        server.close();
        await rm(path, { force: true });
      },
    };
  };
}
