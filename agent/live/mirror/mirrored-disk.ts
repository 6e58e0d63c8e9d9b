import { limits } from '../../../core/limits.ts';
import type { Clock } from '../../../core/ports.ts';
import { MirrorJob } from '../../qemu/mirror.ts';
import { OURS } from '../../qemu/ours.ts';
import type { Qmp } from '../../qemu/qmp.ts';
import type { LiveLayer } from '../live-layer.ts';
import { copyLayer } from './copy-layer.ts';
import type { LocalCopy } from './local-copy.ts';

/** A disk that is to be mirrored: its top node in QEMU, and where its copy goes. */
export interface DiskToMirror {
  readonly node: string;
  /** What is copied whole if the guest has written to a part of it. Bytes. */
  readonly granularity: number;
  readonly copy: LocalCopy;
}

/** The name under which the copy of a VM's disk is served. */
export function exportName(index: number): string {
  return `${OURS}copy-${index}`;
}

/** A disk, the mirror of it in QEMU, and the copy that this makes here. */
export class MirroredDisk {
  readonly job: MirrorJob;
  readonly copy: LocalCopy;

  private constructor(job: MirrorJob, copy: LocalCopy) {
    this.job = job;
    this.copy = copy;
  }

  /** Begins the mirror of the VM's disk of this number, to a server at `socket`. Errors: those of Qmp.execute. */
  static async begin(
    qmp: Qmp,
    { node, copy, granularity }: DiskToMirror,
    { index, socket }: { index: number; socket: string },
    signal: AbortSignal,
  ): Promise<MirroredDisk> {
    const names = { job: `${OURS}mirror-${index}`, target: exportName(index) };
    return new MirroredDisk(await MirrorJob.start(qmp, { ...names, node, socket, granularity }, signal), copy);
  }

  /** What has come of it and is to be sent. */
  layer(): LiveLayer {
    return copyLayer(this.copy, this.copy.segments());
  }

  /** The same, as the mirror goes through the disk for the first time. */
  firstLayer(clock: Clock, signal: AbortSignal): LiveLayer {
    return copyLayer(this.copy, this.#asItComes(clock, signal));
  }

  /**
   * What has come and is not sent, and what is still to come. A mirror that has all sleeps for 100 ms: what the guest writes
   * meanwhile is not counted yet. Errors: those of Qmp.execute.
   */
  async remainingBytes(signal: AbortSignal): Promise<number> {
    return this.copy.unsentBytes + (await this.job.remainingBytes(signal));
  }

  /** All segments, each once the mirror has gone past it, so that sending does not wait for the last one. Errors: MIRROR_FAILED. */
  async *#asItComes(clock: Clock, signal: AbortSignal): AsyncGenerator<number> {
    const { geometry } = this.copy;
    const segmentBytes = limits.segment_chunks * geometry.chunkBytes;
    let lookedMs = clock.nowMs();
    for (let segment = 0; segment < geometry.segments; segment++) {
      while (!this.job.hasPassed && this.copy.frontier < (segment + 1) * segmentBytes) {
        await this.#more(clock, signal);
        if (clock.nowMs() - lookedMs < limits.mirror_progress_ms) continue;
        await this.job.remainingBytes(signal);
        lookedMs = clock.nowMs();
      }
      yield segment;
    }
  }

  /** Something has come, or some time has passed. Errors: MIRROR_FAILED, the signal's reason. */
  async #more(clock: Clock, signal: AbortSignal): Promise<void> {
    const over = new AbortController();
    const within = AbortSignal.any([signal, over.signal]);
    const sleep = clock.sleep(limits.mirror_progress_ms, within);
    try {
      await Promise.race([this.copy.arrived.wait(within), this.job.ready(within), sleep]);
    } finally {
      over.abort(null);
    }
  }
}
