import { ClusterTable } from './cluster-table.ts';
import { encodeHeader } from './header-write.ts';
import type { HostFile } from './host-file.ts';
import { piecesBelow } from './image-layer.ts';
import { readPieces } from './pieces.ts';
import { Refcounts } from './refcounts.ts';
import type { Qcow2Options } from './shape.ts';
import type { Sink } from './sink.ts';

/** A new qcow2 file: header, L1 table, refcount table, then data clusters, L2 tables and refcount blocks as they come. */
export class Qcow2Sink implements Sink {
  readonly clusterBytes: number;
  readonly virtualBytes: number;
  readonly #file: HostFile;
  readonly #options: Qcow2Options;
  readonly #table: ClusterTable;
  readonly #refcounts: Refcounts;
  #hasHeader = false;

  constructor(file: HostFile, options: Qcow2Options) {
    this.#file = file;
    this.#options = options;
    this.clusterBytes = options.clusterBytes;
    this.virtualBytes = options.virtualBytes;
    this.#table = new ClusterTable(file, options.virtualBytes, options.clusterBytes);
    this.#refcounts = new Refcounts(file, this.#table, options.virtualBytes, options.clusterBytes);
  }

  async write(at: number, bytes: Uint8Array): Promise<void> {
    for (const span of this.#spans(at, bytes.length)) {
      const part = bytes.subarray(span.at - at, span.at - at + span.length);
      if (span.clusters > 0) await this.#writeClusters(span.at, part, span.clusters);
      else await this.#writePart(span.at, part);
    }
  }

  async writeZeros(at: number, length: number): Promise<void> {
    for (const span of this.#spans(at, length)) {
      if (span.clusters > 0) await this.#zeroClusters(span.at, span.clusters);
      else await this.#zeroPart(span.at, span.length);
    }
  }

  /** The header comes last, when all it points to is on disk: before that the file is no qcow2 image. It stays as it is. */
  async checkpoint(): Promise<void> {
    await this.#table.flush();
    await this.#refcounts.flush();
    await this.#file.truncate(this.#table.clusters * this.clusterBytes);
    await this.#file.sync();
    if (this.#hasHeader) return;
    const { clusterBytes, virtualBytes } = this;
    const { version, backing } = this.#options;
    const { l1Entries, l1Offset } = this.#table;
    const header = { version, clusterBytes, virtualBytes, l1Entries, l1Offset, refcounts: this.#refcounts, backing };
    await this.#file.write(encodeHeader(this.#file.path, header), 0);
    await this.#file.sync();
    this.#hasHeader = true;
  }

  /** The range as runs of whole clusters, of which the disk's last may be short, and parts of one cluster (0 whole). */
  *#spans(at: number, length: number): Generator<{ at: number; length: number; clusters: number }> {
    const { clusterBytes, virtualBytes } = this;
    const end = at + length;
    for (let from = at; from < end; ) {
      const aligned = from % clusterBytes === 0;
      const wholeEnd = end === virtualBytes ? end : end - (end % clusterBytes);
      const to = aligned && wholeEnd > from ? wholeEnd : Math.min(end, from - (from % clusterBytes) + clusterBytes);
      const whole = aligned && (to - from >= clusterBytes || to === virtualBytes);
      yield { at: from, length: to - from, clusters: whole ? Math.ceil((to - from) / clusterBytes) : 0 };
      from = to;
    }
  }

  /** One write for each run of clusters that follow each other in the file: mostly one in all. */
  async #writeClusters(at: number, bytes: Uint8Array, clusters: number): Promise<void> {
    const { clusterBytes } = this;
    for (let done = 0; done < clusters; ) {
      const entries = await this.#table.entries(at / clusterBytes + done, clusters - done);
      const runs: { host: number; from: number; to: number }[] = [];
      for (let i = 0; i < entries.count; i++) {
        const host = entries.get(i).host || this.#table.allocate();
        entries.set(i, host, false);
        const from = (done + i) * clusterBytes;
        const last = runs[runs.length - 1];
        if (last !== undefined && last.host + from - last.from === host) last.to = from + clusterBytes;
        else runs.push({ host, from, to: from + clusterBytes });
      }
      for (const { host, from, to } of runs) await this.#file.write(bytes.subarray(from, to), host);
      done += entries.count;
    }
  }

  /** Copy-on-write: a cluster that holds no data yet gets the rest of its content from what shows through now. */
  async #writePart(at: number, bytes: Uint8Array): Promise<void> {
    const skip = at % this.clusterBytes;
    const start = at - skip;
    const entries = await this.#table.entries(start / this.clusterBytes, 1);
    const { host, zero } = entries.get(0);
    if (host !== 0 && !zero) return this.#file.write(bytes, host + skip);
    const content = Buffer.alloc(Math.min(this.clusterBytes, this.virtualBytes - start));
    if (!zero)
      readPieces(
        await piecesBelow(this.#options.backing?.chain, start, content.length),
        start,
        content,
        this.#file.readAt,
      );
    content.set(bytes, skip);
    const target = host || this.#table.allocate();
    entries.set(0, target, false);
    await this.#file.write(content, target);
  }

  async #zeroClusters(at: number, clusters: number): Promise<void> {
    const first = at / this.clusterBytes;
    for (let done = 0; done < clusters; ) {
      const entries = await this.#table.entries(first + done, clusters - done);
      for (let i = 0; i < entries.count; i++) {
        const { host } = entries.get(i);
        if (this.#options.version === 3) entries.set(i, host, true);
        else if (host !== 0) await this.#file.write(Buffer.alloc(this.clusterBytes), host);
        else entries.set(i, this.#table.allocate(), false);
      }
      done += entries.count;
    }
  }

  async #zeroPart(at: number, length: number): Promise<void> {
    const entries = await this.#table.entries(Math.floor(at / this.clusterBytes), 1);
    const { host, zero } = entries.get(0);
    if (zero) return;
    const nothingBelow = host === 0 && this.#options.backing === undefined;
    if (nothingBelow && this.#options.version === 3) entries.set(0, 0, true);
    else await this.#writePart(at, Buffer.alloc(length));
  }
}
