import { systemFiles } from '../../../adapters/system/files.ts';
import { unixListener } from '../../../adapters/system/unix-listener.ts';
import { CopyServer } from '../../../agent/live/mirror/copy-server.ts';
import { LocalCopy } from '../../../agent/live/mirror/local-copy.ts';
import { geometryOf } from '../../../core/chunk.ts';
import { keptLog } from '../../agent/support.ts';

/** A copy of a disk of so many bytes that is served at a unix socket, as `copy`. */
export async function serveCopy(at: (name: string) => string, virtualBytes: number, chunkBytes = 65_536) {
  const log = keptLog();
  const room = { folder: at('.'), name: 'the copy', bytes: 0 };
  const copy = await LocalCopy.open(systemFiles, at('copy-'), geometryOf(virtualBytes, chunkBytes), room);
  const socket = at('copy.sock');
  const server = await CopyServer.open(unixListener(socket, { like: at('.') }), new Map([['copy', copy]]), log);
  return {
    copy,
    log,
    socket,
    uri: `nbd+unix:///copy?socket=${socket}`,
    async end() {
      await server.close();
      await copy.remove();
    },
  };
}
