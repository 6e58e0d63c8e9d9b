/** What a bare thread is told to do. Threads share the work by a counter: whoever is free takes the next block. */
export type BareJob = FingerprintJob | CompressJob | RestoreJob;

interface Blocks {
  /** One 32-bit number: the next block that nobody has taken. */
  readonly next: SharedArrayBuffer;
  readonly chunkBytes: number;
}

/** Reads a file and hashes its chunks. */
export interface FingerprintJob extends Blocks {
  readonly kind: 'fingerprint';
  readonly fd: number;
  readonly fileBytes: number;
}

/** Reads a file, hashes its chunks and compresses it frame by frame. */
export interface CompressJob extends Blocks {
  readonly kind: 'compress';
  readonly fd: number;
  readonly fileBytes: number;
  readonly frameBytes: number;
  readonly level: number;
  readonly windowLog: number;
}

/** Decompresses frames, compares the SHA-256 of each chunk and writes them to a file. */
export interface RestoreJob extends Blocks {
  readonly kind: 'restore';
  readonly fd: number;
  readonly frames: readonly StoredFrame[];
}

export interface StoredFrame {
  /** Bytes from the disk's start. */
  readonly offset: number;
  readonly compressed: Uint8Array;
  /** 32 bytes a chunk. */
  readonly fingerprints: Uint8Array;
}
