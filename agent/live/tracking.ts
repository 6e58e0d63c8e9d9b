import type { LiveLayer } from './live-layer.ts';

/** Which round is meant: the last one is made with the guest stopped, and has all that it wrote. */
export interface RoundKind {
  readonly isLast: boolean;
}

/**
 * Tells what a guest writes to a disk, round by round, and lets each round be read. What a round that fails had is in the next
 * one. How it is done depends on what is safe for the guest (agent/qemu/mechanism.ts): BitmapTracker, MirrorTracker.
 */
export interface Tracking {
  /** True once a round has had all that the top layer held. */
  readonly hasAll: boolean;
  /** False if what the guest writes is followed no more: only a new tracking, from the start, can go on. */
  readonly isAlive: boolean;
  /** Lets `use` read one round: all that the top layer holds at first, then what was written since the round before. */
  round<T>(kind: RoundKind, signal: AbortSignal, use: (layer: LiveLayer) => Promise<T>): Promise<T>;
  /** About how many bytes were written since the last round began. */
  remainingBytes(signal: AbortSignal): Promise<number>;
  /** Takes all that is ours out of QEMU, and lets go of what it has here. */
  end(): Promise<void>;
  /** Lets go of what it has here: the VM is gone. */
  forget(): Promise<void>;
}
