import { withDeadline } from '../../../adapters/deadline.ts';
import { LayerMoverError } from '../../../core/errors.ts';
import { limits } from '../../../core/limits.ts';
import type { Clock } from '../../../core/ports.ts';
import type { Listen } from '../../../core/stream.ts';
import type { Log } from '../../daemon/log.ts';
import { isFull } from '../../images/room.ts';
import { removeOurMirrors } from '../../qemu/mirror.ts';
import type { Qmp } from '../../qemu/qmp.ts';
import type { LiveLayer } from '../live-layer.ts';
import type { RoundKind, Tracking } from '../tracking.ts';
import { CopyServer } from './copy-server.ts';
import { type DiskToMirror, exportName, MirroredDisk } from './mirrored-disk.ts';

export interface MirrorTrackerOptions {
  readonly qmp: Qmp;
  readonly clock: Clock;
  readonly log: Log;
  /** Their copies go with the tracker. */
  readonly disks: readonly DiskToMirror[];
  /** A path at which QEMU may connect, and what listens there. */
  readonly socket: string;
  readonly listen: Listen;
}

/**
 * Follows disks by mirrors of QEMU's into copies of ours, from which the rounds are cut: for disks that QEMU can't export
 * without danger to the guest. The last round ends the mirrors, for nothing may write to the disks of a guest that leaves;
 * if it stays after all, all is begun anew.
 */
export class MirrorTracker implements Tracking {
  readonly #options: MirrorTrackerOptions;
  readonly #server: CopyServer;
  readonly #disks: readonly MirroredDisk[];
  #hasRound = false;
  /** Resolves when no round reads the copies. */
  #reading: Promise<unknown> = Promise.resolve();

  private constructor(options: MirrorTrackerOptions, of: { server: CopyServer; disks: readonly MirroredDisk[] }) {
    this.#options = options;
    this.#server = of.server;
    this.#disks = of.disks;
  }

  /** Clears away what an earlier run left, and begins. Errors: those of `listen` and of Qmp.execute. */
  static async begin(options: MirrorTrackerOptions, signal: AbortSignal): Promise<MirrorTracker> {
    const { qmp, log, disks, socket, listen } = options;
    let server: CopyServer | undefined;
    const mirrored: MirroredDisk[] = [];
    try {
      await removeOurMirrors(qmp, signal);
      server = await CopyServer.open(listen, new Map(disks.map(({ copy }, at) => [exportName(at), copy])), log);
      for (const [index, disk] of disks.entries())
        mirrored.push(await MirroredDisk.begin(qmp, disk, { index, socket }, signal));
      return new MirrorTracker(options, { server, disks: mirrored });
    } catch (error) {
      await server?.close();
      await cleared(options).catch(() => undefined);
      for (const { copy } of disks) await copy.remove();
      throw error;
    }
  }

  get hasAll(): boolean {
    return this.#hasRound;
  }

  get isAlive(): boolean {
    return this.#disks.every(({ job }) => job.end === undefined);
  }

  /** Errors: those of `use`; DISK_FULL, MIRROR_FAILED. */
  async round<T>(
    { isLast }: RoundKind,
    signal: AbortSignal,
    use: (layers: readonly LiveLayer[]) => Promise<T>,
  ): Promise<T> {
    try {
      for (const { job } of this.#disks) job.assertAlive();
      if (isLast) await this.#finish(signal);
      const reading = use(this.#layers(isLast, signal));
      this.#reading = reading.catch(() => undefined);
      const done = await reading;
      for (const { copy } of this.#disks) copy.forget();
      this.#hasRound = true;
      return done;
    } catch (error) {
      for (const { copy } of this.#disks) copy.giveBack();
      throw this.#disks.map(({ copy }) => copy.failure).find(isFull) ?? error;
    }
  }

  /** Errors: MIRROR_FAILED, those of Qmp.execute. */
  async remainingBytes(signal: AbortSignal): Promise<number> {
    const all = await Promise.all(this.#disks.map((disk) => disk.remainingBytes(signal)));
    return all.reduce((sum, bytes) => sum + bytes, 0);
  }

  /** Errors: those of Qmp.execute, QMP_TIMEOUT. */
  async end(): Promise<void> {
    await cleared(this.#options).finally(() => this.forget());
  }

  async forget(): Promise<void> {
    await this.#server.close();
    await this.#reading;
    for (const { copy } of this.#options.disks) await copy.remove();
  }

  #layers(isLast: boolean, signal: AbortSignal): LiveLayer[] {
    if (this.#hasRound || isLast) return this.#disks.map((disk) => disk.layer());
    return this.#disks.map((disk) => disk.firstLayer(this.#options.clock, signal));
  }

  /** The copies have all that the guest wrote, and nothing more comes. */
  async #finish(signal: AbortSignal): Promise<void> {
    await Promise.all(this.#disks.map(({ job }) => job.ready(signal)));
    await Promise.all(this.#disks.map(({ job }) => job.finish(signal)));
  }
}

/** Whatever became of the task, nothing of ours is left in QEMU; but nobody waits for ever. */
function cleared({ qmp, clock }: MirrorTrackerOptions): Promise<void> {
  const late = () => new LayerMoverError('QMP_TIMEOUT', 'the VM’s QEMU did not let go of its disk in time');
  return withDeadline((signal) => removeOurMirrors(qmp, signal), { clock, ms: limits.live_cleanup_ms, late });
}
