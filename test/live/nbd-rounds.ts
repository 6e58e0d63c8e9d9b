import { systemClock } from '../../adapters/system/clock.ts';
import { unixSocket } from '../../adapters/system/unix-socket.ts';
import type { DiskWriter } from '../../agent/disk/writer.ts';
import { openNbd } from '../../agent/nbd/client.ts';
import { statusExtents } from '../../agent/nbd/extents.ts';
import { ALLOCATION_DEPTH, BASE_ALLOCATION, dirtyBitmap } from '../../agent/nbd/wire.ts';
import type { Qmp } from '../../agent/qemu/qmp.ts';

const GRAIN = 65_536;
const never = new AbortController().signal;
const NODE = 'disk0';

/** Rounds of a running guest's disk into a writer, by hand: what a source does, without a cloud between. */
export class NbdRounds {
  readonly #qmp: Qmp;
  readonly #socket: string;
  readonly #writer: DiskWriter;
  #round = 0;

  constructor(qmp: Qmp, socket: string, writer: DiskWriter) {
    this.#qmp = qmp;
    this.#socket = socket;
    this.#writer = writer;
  }

  /** All that the top layer holds; gives its bytes. */
  async first(): Promise<number> {
    const addr = { type: 'unix', data: { path: this.#socket } };
    await this.#qmp.execute('nbd-server-start', { addr, 'max-connections': 0 });
    await this.#qmp.execute('block-dirty-bitmap-add', { node: NODE, name: 'r1', granularity: GRAIN });
    this.#round = 1;
    return this.#copy({ 'allocation-depth': true }, ALLOCATION_DEPTH, (depth) => depth === 1);
  }

  /** What was written since the round before. */
  async next(): Promise<number> {
    const [now, then] = [`r${this.#round}`, `r${++this.#round}`];
    await this.#qmp.execute('transaction', {
      actions: [
        { type: 'block-dirty-bitmap-add', data: { node: NODE, name: then, granularity: GRAIN } },
        { type: 'block-dirty-bitmap-disable', data: { node: NODE, name: now } },
      ],
    });
    const bytes = await this.#copy({ bitmaps: [now] }, dirtyBitmap(now), (flags) => (flags & 1) !== 0);
    await this.#qmp.execute('block-dirty-bitmap-remove', { node: NODE, name: now });
    return bytes;
  }

  async #copy(shown: object, context: string, isWanted: (flags: number) => boolean): Promise<number> {
    await this.#qmp.execute('block-export-add', {
      ...{ type: 'nbd', id: 'e', name: 'e', 'node-name': NODE, writable: false },
      ...shown,
    });
    const contexts = [BASE_ALLOCATION, context];
    const client = await openNbd(unixSocket(this.#socket), {
      exportName: 'e',
      contexts,
      clock: systemClock,
      signal: never,
    });
    const chunks = new Map<number, boolean>();
    for await (const { offset, length, flags } of statusExtents(client, contexts, never)) {
      if (!isWanted(flags[1]!)) continue;
      for (let chunk = Math.floor(offset / GRAIN); chunk * GRAIN < offset + length; chunk++) {
        chunks.set(chunk, (flags[0]! & 2) !== 0 && chunks.get(chunk) !== false);
      }
    }
    for (const [chunk, isZero] of chunks) {
      const bytes = Buffer.alloc(Math.min(GRAIN, client.virtualBytes - chunk * GRAIN));
      if (!isZero) await client.read(chunk * GRAIN, bytes, never);
      if (bytes.every((byte) => byte === 0)) await this.#writer.writeZeros(chunk * GRAIN, bytes.length);
      else await this.#writer.write(chunk * GRAIN, bytes);
    }
    client.close();
    const deleted = this.#qmp.waitFor('BLOCK_EXPORT_DELETED', () => true, never);
    await this.#qmp.execute('block-export-del', { id: 'e', mode: 'hard' });
    await deleted;
    return chunks.size * GRAIN;
  }
}
