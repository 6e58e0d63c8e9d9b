/** A disk that is served: it is asked for what lies within it, by each client one thing at a time. What fails is told to the client. */
export interface ServedDisk {
  readonly virtualBytes: number;
  read(offset: number, into: Uint8Array): Promise<void>;
  /** The bytes must not be used any more once this has settled. */
  write(offset: number, bytes: Uint8Array): Promise<void>;
  writeZeros(offset: number, length: number): Promise<void>;
}

/** Disks by the names under which they are served. */
export type Exports = ReadonlyMap<string, ServedDisk>;
