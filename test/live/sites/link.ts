import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { setTimeout } from 'node:timers/promises';

/** A link between two sites, as a proxy in front of one place. */
export interface LinkOptions {
  /** Where it leads: a port of this machine, or the path of a unix socket. */
  readonly to: { readonly port: number } | { readonly path: string };
  /** Bytes a second in each direction, of all connections together; unlimited unless set. */
  readonly bytesPerSecond?: number;
  /** Time there and back, in milliseconds. */
  readonly roundTripMs?: number;
  /** A connection is cut after so many bytes, about: the number is drawn from the seed. Never unless set. */
  readonly cutAfterBytes?: number;
  readonly seed?: number;
}

export interface Link {
  readonly port: number;
  /** Connections that were cut. */
  readonly cut: number;
  /** Bytes that crossed it, both ways. */
  readonly bytes: number;
  close(): Promise<void>;
}

/** What a timer takes at least. */
const TIMER_MS = 1;

/** What passes through one direction of a link, of all connections: bytes leave one after the other, at its rate. */
class Lane {
  readonly #bytesPerSecond: number;
  #freeMs = 0;

  constructor(bytesPerSecond = Number.POSITIVE_INFINITY) {
    this.#bytesPerSecond = bytesPerSecond;
  }

  /** Milliseconds from now at which so many bytes more have left. */
  take(bytes: number): number {
    const now = performance.now();
    this.#freeMs = Math.max(now, this.#freeMs) + (bytes / this.#bytesPerSecond) * 1000;
    return this.#freeMs - now;
  }
}

/** Opens a link on a free port of the loopback interface. What is on its way is bounded by what the sockets hold. */
export async function openLink(options: LinkOptions): Promise<Link> {
  const lanes = [new Lane(options.bytesPerSecond), new Lane(options.bytesPerSecond)] as const;
  const sockets = new Set<Socket>();
  const random = dice(options.seed ?? 1);
  const counts = { cut: 0, bytes: 0 };
  const server = createServer({ allowHalfOpen: true }, (near) => {
    const far = connect({ ...options.to, allowHalfOpen: true } as Parameters<typeof connect>[0] & object);
    const both = [near, far] as const;
    const end = () => both.forEach((socket) => void socket.destroy());
    for (const socket of both) {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('error', end);
      socket.once('close', () => sockets.delete(socket));
    }
    let left =
      options.cutAfterBytes === undefined ? Number.POSITIVE_INFINITY : options.cutAfterBytes * (0.5 + random());
    const passed = (bytes: number) => {
      counts.bytes += bytes;
      left -= bytes;
      if (left > 0) return;
      counts.cut++;
      end();
    };
    const delayMs = (options.roundTripMs ?? 0) / 2;
    void carry(near, far, { lane: lanes[0], delayMs, passed }).catch(end);
    void carry(far, near, { lane: lanes[1], delayMs, passed }).catch(end);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    get cut() {
      return counts.cut;
    },
    get bytes() {
      return counts.bytes;
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

interface Way {
  readonly lane: Lane;
  readonly delayMs: number;
  readonly passed: (bytes: number) => void;
}

/** Carries bytes one way: they leave at the lane's rate and arrive after its delay, in order. */
async function carry(from: Socket, to: Socket, { lane, delayMs, passed }: Way): Promise<void> {
  let arrived: Promise<void> = Promise.resolve();
  for await (const chunk of from.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    const leavesMs = lane.take(chunk.length);
    passed(chunk.length);
    const before = arrived;
    arrived = setTimeout(leavesMs + delayMs).then(async () => {
      await before;
      if (!to.write(chunk)) await once(to, 'drain');
    });
    arrived.catch(() => to.destroy());
    // The next bytes are read when these have left; those in flight are what the link holds. A timer takes a millisecond at
    // least: to wait for less would hold a fast link's only connection to a chunk each.
    if (leavesMs >= TIMER_MS) await setTimeout(leavesMs);
  }
  await arrived;
  to.end();
}

/** Numbers in [0, 1), the same for the same seed. */
function dice(seed: number): () => number {
  let state = (seed * 2_654_435_761 + 1) >>> 0;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}
