import type { LiveLayer } from './live-layer.ts';

/** Which round is meant: the last one is made with the guest stopped, and has all that it wrote. */
export interface RoundKind {
  readonly isLast: boolean;
}

/**
 * Tells what a guest writes to its disks, round by round, and lets each round be read: the seam between what is migrated and how
 * a QEMU is made to tell of it. All disks go through a round together. What a round that fails had is in the next one.
 * How it is done depends on what is safe for the guest (agent/qemu/mechanism.ts).
 */
export interface Tracking {
  /** True once a round has had all that the top layers held. */
  readonly hasAll: boolean;
  /** False if what the guest writes is followed no more: only a new tracking, from the start, can go on. */
  readonly isAlive: boolean;
  /**
   * Lets `use` read one round, a layer a disk in the order in which the disks were named: all that the top layers hold at
   * first, then what was written since the round before. Errors: those of `use` and of asking the QEMU; TRACKING_LOST.
   */
  round<T>(kind: RoundKind, signal: AbortSignal, use: (layers: readonly LiveLayer[]) => Promise<T>): Promise<T>;
  /** About how many bytes were written since the last round began, on all disks. Errors: TRACKING_LOST, those of asking. */
  remainingBytes(signal: AbortSignal): Promise<number>;
  /** Takes all that is ours out of QEMU, and lets go of what it has here. Errors: those of asking it. */
  end(): Promise<void>;
  /** Lets go of what it has here: the VM is gone. */
  forget(): Promise<void>;
}
