import { limits } from '../../../core/limits.ts';
import { MirrorJob } from '../../qemu/mirror.ts';
import { OURS } from '../../qemu/ours.ts';
import type { Qmp } from '../../qemu/qmp.ts';
import type { LiveLayer } from '../live-layer.ts';
import { copyLayer } from './copy-layer.ts';
import type { LocalCopy } from './local-copy.ts';

/** A disk that is to be mirrored: its top node in QEMU, and where its copy goes. */
export interface DiskToMirror {
  readonly node: string;
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
    { node, copy }: DiskToMirror,
    { index, socket }: { index: number; socket: string },
    signal: AbortSignal,
  ): Promise<MirroredDisk> {
    const names = { job: `${OURS}mirror-${index}`, target: exportName(index) };
    const granularity = copy.geometry.chunkBytes;
    return new MirroredDisk(await MirrorJob.start(qmp, { ...names, node, socket, granularity }, signal), copy);
  }

  /** What is to be sent of it: at first all that the mirror has brought by the time that it is ready. */
  layer(isFirst: boolean, signal: AbortSignal): LiveLayer {
    return copyLayer(this.copy, isFirst ? this.#asItComes(signal) : this.copy.segments());
  }

  /** What has come and is not sent, and what is still to come. Errors: those of Qmp.execute. */
  async remainingBytes(signal: AbortSignal): Promise<number> {
    return this.copy.unsentBytes + (await this.job.remainingBytes(signal));
  }

  /** All segments, each once the mirror has gone past it, so that sending does not wait for the last one. Errors: MIRROR_FAILED. */
  async *#asItComes(signal: AbortSignal): AsyncGenerator<number> {
    const { geometry } = this.copy;
    const segmentBytes = limits.segment_chunks * geometry.chunkBytes;
    for (let segment = 0; segment < geometry.segments; segment++) {
      while (!this.job.isReady && this.copy.frontier < (segment + 1) * segmentBytes) await this.#more(signal);
      yield segment;
    }
    await this.job.ready(signal);
  }

  /** Something has come, or the mirror is ready. Errors: MIRROR_FAILED, the signal's reason. */
  async #more(signal: AbortSignal): Promise<void> {
    const over = new AbortController();
    const within = AbortSignal.any([signal, over.signal]);
    try {
      await Promise.race([this.copy.arrived.wait(within), this.job.ready(within)]);
    } finally {
      over.abort(null);
    }
  }
}
