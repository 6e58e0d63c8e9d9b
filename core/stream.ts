/** A connection on which bytes go both ways. What the system refuses is thrown with its code: ENOENT, ECONNREFUSED, EPIPE and so on. */
export interface ByteStream {
  /** The next bytes, one at least; undefined once the other side has ended. One call at a time. */
  read(): Promise<Uint8Array | undefined>;
  /** Resolves when there is room for more. The bytes must stay as they are until then. */
  write(bytes: Uint8Array): Promise<void>;
  /** Ends both ways at once; a read that waits answers undefined or throws. Again is no error. */
  close(): void;
}

/** Opens one connection to a fixed place. Gives up with the signal's reason as soon as it aborts. */
export type Dial = (signal: AbortSignal) => Promise<ByteStream>;

/**
 * Takes connections at a fixed place, each given to `take`, until it is closed: then it takes none, and the place is free.
 * Those that it took are their takers' to close.
 */
export type Listen = (take: (stream: ByteStream) => void) => Promise<Listener>;

export interface Listener {
  close(): Promise<void>;
}
