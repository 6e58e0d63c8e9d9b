import type { Codec } from './codec.ts';
import type { HostFile } from './host-file.ts';
import { RAW_CLUSTER_BYTES } from './limits.ts';
import type { Mapping } from './mapping.ts';

/** One image file, without what lies below it. */
export interface Image {
  readonly file: HostFile;
  /** The image's own, then its data file's if it has one. */
  readonly paths: readonly string[];
  readonly format: 'qcow2' | 'raw';
  readonly virtualBytes: number;
  readonly clusterBytes: number;
  readonly qcow2?: { readonly version: 2 | 3; readonly compression: Codec };
  /** What the file holds of [offset, offset + length), ascending and complete, in batches of bounded size. */
  map(offset: number, length: number): AsyncIterable<readonly Mapping[]>;
}

/** A raw file: the guest's bytes as they are. */
export class RawImage implements Image {
  readonly format = 'raw';
  readonly clusterBytes = RAW_CLUSTER_BYTES;
  readonly file: HostFile;
  readonly paths: readonly string[];
  readonly virtualBytes: number;

  constructor(file: HostFile, fileBytes: number) {
    this.file = file;
    this.paths = [file.path];
    this.virtualBytes = fileBytes;
  }

  async *map(offset: number, length: number): AsyncGenerator<readonly Mapping[]> {
    if (length > 0) yield [{ at: offset, length, kind: 'file', fd: this.file.fd, offset }];
  }
}
