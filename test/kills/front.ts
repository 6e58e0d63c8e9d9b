import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

const LOOPBACK = '127.0.0.1';
const REQUEST = /^(GET|PUT|POST|DELETE|HEAD) (\S+) HTTP\/1\.1\r\n/;

export interface Seen {
  readonly method: string;
  readonly path: string;
  /** `GET /path`. */
  readonly line: string;
  /** Counts from 1. */
  readonly number: number;
}

/** What becomes of a request: it passes; it never reaches the cloud; or it does, but its answer never comes back. */
export type Verdict = 'pass' | 'lose-request' | 'lose-answer';

/**
 * How the network is: `refused` cuts connections, `black-hole` takes bytes and brings none further (what was open then
 * stays dead: half-open connections), `slow` lets so many bytes a second through in each direction.
 */
export type Weather = 'fine' | 'refused' | 'black-hole' | { readonly bytesPerSecond: number };

const PARCEL_BYTES = 1460;

/**
 * The way from agents and commands to the cloud: a TCP proxy on loopback that knows where requests begin. The cloud's
 * address in answers (that of the object store, in grants) is replaced by its own, so that all traffic comes this way.
 */
export class Front {
  readonly #server: Server;
  readonly #target: number;
  readonly #connections = new Set<Connection>();
  requests = 0;
  /** Bytes of bodies sent by PUT, by path, whether they arrived or not. */
  readonly putBytes = new Map<string, number>();
  weather: Weather = 'fine';
  /** A request whose verdict is not out yet is held. */
  judge: (seen: Seen) => Verdict | Promise<Verdict> = () => 'pass';
  /** Told when a request or answer is lost. */
  onLoss: (seen: Seen) => void = () => undefined;

  private constructor(server: Server, target: number) {
    this.#server = server;
    this.#target = target;
  }

  static async open(target: number): Promise<Front> {
    for (;;) {
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(0, LOOPBACK, resolve));
      const front = new Front(server, target);
      if (String(front.port).length === String(target).length) {
        server.on('connection', (socket) => front.#take(socket));
        return front;
      }
      server.close();
    }
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Cuts every connection there is, or lets them hang for ever. */
  setWeather(weather: Weather): void {
    this.weather = weather;
    for (const connection of this.#connections) {
      if (weather === 'refused') connection.cut();
      if (weather === 'black-hole') connection.dead = true;
    }
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const connection of this.#connections) connection.cut();
    await closed;
  }

  #take(client: Socket): void {
    if (this.weather === 'refused') {
      client.resetAndDestroy();
      return;
    }
    const connection = new Connection(client, this.#target, this);
    connection.dead = this.weather === 'black-hole';
    this.#connections.add(connection);
    connection.onGone = () => this.#connections.delete(connection);
  }
}

class Connection {
  readonly #client: Socket;
  readonly #cloud: Socket;
  readonly #front: Front;
  readonly #from: Buffer;
  readonly #to: Buffer;
  #seen: Seen | undefined;
  #verdict: Verdict = 'pass';
  /** Its bytes get nowhere, and neither side hears of the other's end. */
  dead = false;
  onGone: () => void = () => undefined;

  constructor(client: Socket, target: number, front: Front) {
    this.#client = client;
    this.#front = front;
    this.#from = Buffer.from(`${LOOPBACK}:${target}`);
    this.#to = Buffer.from(`${LOOPBACK}:${front.port}`);
    this.#cloud = connect(target, LOOPBACK);
    for (const socket of [client, this.#cloud]) {
      socket.setNoDelay(true);
      socket.on('error', () => socket.destroy()).on('close', () => this.#closed());
    }
    client.on('data', (bytes) => this.#upward(bytes));
    this.#cloud.on('data', (bytes) => this.#downward(bytes));
  }

  cut(): void {
    this.#client.destroy();
    this.#cloud.destroy();
  }

  #closed(): void {
    // An answer that one side no longer waits for, or can't give any more, is lost as well.
    if (!this.dead && this.#verdict === 'lose-answer') this.#lose();
    else if (!this.dead) this.cut();
    if (this.#client.destroyed && this.#cloud.destroyed) this.onGone();
  }

  #upward(bytes: Buffer): void {
    const head = REQUEST.exec(bytes.toString('latin1', 0, 4096));
    const verdict = head === null ? this.#verdict : this.#begin(head[1]!, head[2]!);
    if (typeof verdict === 'string') {
      this.#forward(bytes, verdict);
      return;
    }
    this.#client.pause();
    void verdict.then((reached) => {
      this.#forward(bytes, reached);
      this.#client.resume();
    });
  }

  #begin(method: string, path: string): Verdict | Promise<Verdict> {
    const front = this.#front;
    this.#seen = { method, path, line: `${method} ${path}`, number: ++front.requests };
    return front.judge(this.#seen);
  }

  #forward(bytes: Buffer, verdict: Verdict): void {
    this.#verdict = verdict;
    if (this.#seen?.method === 'PUT') this.#count(this.#seen.path, bytes.length);
    if (this.dead) return;
    if (verdict === 'lose-request') this.#lose();
    else this.#pass(bytes, this.#client, this.#cloud);
  }

  #count(path: string, bytes: number): void {
    const { putBytes } = this.#front;
    putBytes.set(path, (putBytes.get(path) ?? 0) + bytes);
  }

  #downward(bytes: Buffer): void {
    if (this.dead) return;
    if (this.#verdict === 'lose-answer') {
      this.#lose();
      return;
    }
    this.#pass(this.#renamed(bytes), this.#cloud, this.#client);
  }

  #lose(): void {
    this.dead = true;
    this.#front.onLoss(this.#seen!);
    this.cut();
  }

  #renamed(bytes: Buffer): Buffer {
    const at = bytes.indexOf(this.#from);
    if (at >= 0) this.#to.copy(bytes, at);
    return bytes;
  }

  #pass(bytes: Buffer, from: Socket, to: Socket): void {
    const { weather } = this.#front;
    if (typeof weather === 'object') {
      void this.#trickle(bytes, from, to, weather.bytesPerSecond);
    } else if (!to.write(bytes)) {
      from.pause();
      to.once('drain', () => from.resume());
    }
  }

  async #trickle(bytes: Buffer, from: Socket, to: Socket, bytesPerSecond: number): Promise<void> {
    from.pause();
    for (let at = 0; at < bytes.length && !to.destroyed; at += PARCEL_BYTES) {
      const parcel = bytes.subarray(at, at + PARCEL_BYTES);
      await new Promise((resolve) => setTimeout(resolve, (parcel.length / bytesPerSecond) * 1000));
      to.write(parcel);
    }
    from.resume();
  }
}
