/** Where a writer's bytes go in the end. The calls come one at a time. */
export interface Sink {
  readonly clusterBytes: number;
  readonly virtualBytes: number;
  write(at: number, bytes: Uint8Array): Promise<void>;
  writeZeros(at: number, length: number): Promise<void>;
  checkpoint(): Promise<void>;
}
