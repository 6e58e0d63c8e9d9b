/** What a process of the product is to do, as JSON in its only argument. */
export interface IngestJob {
  readonly kind: 'ingest';
  /** The store's folder. */
  readonly store: string;
  /** Where the layers' files lie. */
  readonly layers: string;
  readonly sampling?: number | undefined;
  readonly bytesPerSecond?: number | undefined;
  /** Bottom first: paths. Those that the store has are passed over, as a planner would. */
  readonly chains: readonly (readonly string[])[];
}

export interface RestoreJob {
  readonly kind: 'restore';
  readonly store: string;
  readonly chain: readonly string[];
  /** A folder for the layers' files; the names stay. */
  readonly into: string;
}

export type ProductJob = IngestJob | RestoreJob;

/** A layer that the store has. */
export interface StoredLayer {
  /** Hex. */
  readonly layerId: string;
  readonly virtualBytes: number;
}

/** What an ingest told of itself. Bytes. */
export interface Ingested {
  /** All that went into the store, the index's rows aside. */
  readonly wireBytes: number;
  readonly dedupedBytes: number;
}
